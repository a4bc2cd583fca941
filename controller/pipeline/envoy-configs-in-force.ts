import { isDeepStrictEqual } from 'node:util';
import type { EnvoyConfig, EnvoyConfigReading } from '../../envoy-config/index.ts';
import { diagnoseEnvoyConfig } from '../../envoy-config/index.ts';
import { type CiliumEnvoyConfig, isEnvoyConfig, type ObjectBatch, refOf } from '../../kube/index.ts';
import { type Diagnostic, type ObjectRef, objectKey } from '../../model/index.ts';
import type { Outcome } from '../../xds-server/serve/outcome.ts';
import { withoutQuote } from '../../xds-server/serve/refusal.ts';
import { mistakesIn } from '../config-statuses/conditions.ts';
import type { Concluded, Trial, Verdict } from '../dry-run/dry-run.ts';
import { REJECTED_BY_ENVOY, rejectedByEnvoy } from '../rejected-by-envoy.ts';
import { answeredParts, isOfNode } from './answered-parts.ts';
import { ConfigHistory, type GoodVersion, type TrialOutcome } from './config-history.ts';
import type { Inputs } from './inputs.ts';

export type { GoodVersion } from './config-history.ts';

/** What is made of an object that amounts to a config, as it is at present. */
export interface ConfigVerdict {
  readonly object: { readonly metadata: Pick<CiliumEnvoyConfig['metadata'], 'creationTimestamp'> };
  /** What is served of it: itself, or what it was when it was right; absent where it never was. */
  readonly inForce?: EnvoyConfig;
  readonly diagnostics: readonly Diagnostic[];
}

/** Of a CiliumEnvoyConfig, or one of no namespace. */
export interface EnvoyConfigVerdict extends ConfigVerdict {
  /** As it was when it was judged: its status may be an old one. */
  readonly object: CiliumEnvoyConfig;
  /** What that was made of. */
  readonly good?: GoodVersion;
}

/** A version of a config that is to be tried before it is served. */
export interface ConfigTrial extends Trial {
  readonly key: string;
  readonly history: ConfigHistory;
  readonly outcome: TrialOutcome;
}

type Verdicts = Pick<Inputs, 'envoyConfigs'>;

interface Known {
  readonly object: CiliumEnvoyConfig;
  readonly reading: EnvoyConfigReading;
  readonly history: ConfigHistory;
}

const KEPT = 'what it said when it was right stays in force';
/** So much of what a node says is told on. */
const MAX_MESSAGE = 1_000;

/**
 * Which configs are served. One that is wrong leaves what it was before, also where only its status remembers that; one that is made anew
 * under the same name is another.
 */
export class EnvoyConfigsInForce {
  readonly #read: (object: CiliumEnvoyConfig) => EnvoyConfigReading;
  readonly #isTried: () => boolean;
  readonly #known = new Map<string, Known>();
  readonly #due = new Set<string>();

  /** @param isTried whether somebody tries what is written now before it is served */
  constructor(read: (object: CiliumEnvoyConfig) => EnvoyConfigReading, isTried = () => false) {
    this.#read = read;
    this.#isTried = isTried;
  }

  /** Takes in what a batch says of configs. What changes in a status alone makes no difference, but where Envoys of other replicas' nodes refuse it. */
  take(verdicts: Verdicts, { upserts, removals }: Pick<ObjectBatch, 'upserts' | 'removals'>): void {
    for (const ref of removals) {
      if (!isEnvoyConfig(ref)) continue;
      this.#known.delete(objectKey(ref));
      verdicts.envoyConfigs.delete(objectKey(ref));
    }
    for (const object of upserts) {
      if (!isEnvoyConfig(object)) continue;
      const key = objectKey(refOf(object));
      const before = this.#known.get(key);
      const isSame = before !== undefined && saysTheSame(before.object, object);
      const known = isSame ? before : this.#judge(object, before);
      if (!this.#heed(object, known) && isSame) continue;
      this.#known.set(key, known);
      if (known.history.trial) this.#due.add(key);
      tell(verdicts, known);
    }
  }

  /** What has come to be tried since this was asked last. */
  takeTrials(): readonly ConfigTrial[] {
    const due = [...this.#due];
    this.#due.clear();
    return due.flatMap((key) => {
      const { history } = this.#known.get(key) ?? {};
      const outcome = history?.onTrial();
      return history?.trial && outcome ? [{ config: history.trial, key, history, outcome }] : [];
    });
  }

  /** Takes in what came of trials. */
  conclude(verdicts: Verdicts, concluded: readonly Concluded<ConfigTrial>[]): void {
    for (const { trial, verdict } of concluded) {
      const known = this.#known.get(trial.key);
      // Of one that is gone, or was made anew meanwhile.
      if (known?.history !== trial.history) continue;
      if (verdict.kind === 'refused') trial.outcome.fail([dryRunRefusal(verdict)]);
      else trial.outcome.pass();
      tell(verdicts, known);
    }
  }

  /**
   * Takes in what an Envoy makes of a resource of a config. Where it refuses one of what is served, all of the config is as it was when
   * Envoys took it whole, if they ever did.
   * @returns whether something else is served now
   */
  note(verdicts: Verdicts, ref: ObjectRef, outcome: Outcome): boolean {
    const known = this.#known.get(objectKey(ref));
    if (!known || outcome.removed) return false;
    const { history } = known;
    if (outcome.outcome !== 'nack') {
      history.accept(outcome);
      return false;
    }
    history.hear(outcome);
    const diagnostics = refusal(outcome, history.inForce?.config);
    if (diagnostics.length === 0 || !history.rollBack(diagnostics)) return false;
    tell(verdicts, known);
    return true;
  }

  #judge(object: CiliumEnvoyConfig, before: Known | undefined): Known {
    const { uid, generation } = object.metadata;
    const reading = this.#read(object);
    const isSame = before !== undefined && before.object.metadata.uid === uid;
    const history = isSame ? before.history : new ConfigHistory();
    const good = { spec: object.spec, ...(generation !== undefined && { generation }) };
    if (reading.config) history.offer(reading.config, good, this.#isTried());
    else history.offerNothing();
    if (!isSame) this.#recall(object, history);
    return { object, reading, history };
  }

  /**
   * The replica that leads is told by all nodes what their Envoys refuse. Where it says that of what was written last, what it serves therefore is
   * served here, too.
   * @returns whether that is something else than before
   */
  #heed(object: CiliumEnvoyConfig, { reading, history }: Known): boolean {
    const { generation, uid } = object.metadata;
    const { conditions = [], lastAccepted: accepted } = object.status ?? {};
    const told = conditions.find(({ type, reason, observedGeneration }) => {
      return type === 'Accepted' && reason === REJECTED_BY_ENVOY.code && observedGeneration === generation;
    });
    const isKnown = !reading.config || history.objections.length > 0;
    if (!told || isKnown || uid === undefined || !accepted || accepted.generation === generation) return false;
    const { config } = this.#read({ ...object, spec: accepted.spec });
    const diagnostics = rejectedByEnvoy(mistakesIn(told.message), [{ object: refOf(object), path: [] }]);
    return config !== undefined && history.renounce(config, accepted, diagnostics);
  }

  /** Whoever may write a status may not write more by it than by the object: it is judged in the same way. */
  #recall(object: CiliumEnvoyConfig, history: ConfigHistory): void {
    const { generation, uid } = object.metadata;
    const accepted = object.status?.lastAccepted;
    if (uid === undefined || !accepted || (history.inForce && accepted.generation === generation)) return;
    const { config } = this.#read({ ...object, spec: accepted.spec });
    if (config) history.recall(config, accepted);
  }
}

function tell({ envoyConfigs }: Verdicts, { object, reading, history }: Known): void {
  const { inForce, objections } = history;
  const diagnostics = [...reading.diagnostics, ...objections];
  const isKept = inForce !== undefined && (!reading.config || objections.length > 0);
  if (isKept) diagnostics.push(diagnoseEnvoyConfig(refOf(object), ['spec'], 'LastGoodEnvoyConfig', KEPT));
  const served = inForce && { inForce: inForce.config, good: inForce.good };
  envoyConfigs.set(objectKey(refOf(object)), { object, diagnostics, ...served });
}

/** What there is to tell of what an Envoy refuses of what is served; nothing of what was served before, or is the node's. */
function refusal({ nodeId, typeUrl, name, version, message }: Outcome, inForce: EnvoyConfig | undefined): readonly Diagnostic[] {
  const words = withoutQuote(message).trim().slice(0, MAX_MESSAGE);
  const refused = inForce && answeredParts(inForce).find((part) => part.typeUrl === typeUrl && part.name === name);
  if (refused?.version !== version || isOfNode(refused, words)) return [];
  return rejectedByEnvoy(`Envoy ${JSON.stringify(nodeId)} refused ${refused.title}: ${words}`, [refused.source]);
}

function dryRunRefusal({ unit: { typeUrl, name, source }, words }: Extract<Verdict, { kind: 'refused' }>): Diagnostic {
  const kind = typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
  const message = `Envoy does not take ${kind} ${JSON.stringify(name)}: ${words.slice(0, MAX_MESSAGE)}`;
  return diagnoseEnvoyConfig(source.object, source.path, 'RefusedInDryRun', message);
}

/** All that is read of an object but its status. */
function saysTheSame(a: CiliumEnvoyConfig, b: CiliumEnvoyConfig): boolean {
  return isDeepStrictEqual([a.metadata, a.spec], [b.metadata, b.spec]);
}
