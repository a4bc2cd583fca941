import { credentials } from '@grpc/grpc-js';
import {
  type AccessLogIntake,
  type DenialExplanation,
  DenialLog,
  explainDenialOf,
  listeningPorts,
  NodeFlows,
  NodeSlots,
  ProxyPorts,
  type SlotState,
  type StateFolder,
} from '../../agent/index.ts';
import type { Action, ObjectSource } from '../../kube/index.ts';
import type { Settings } from '../../settings/index.ts';
import {
  type Holdings,
  type Outcome,
  type PublishedChange,
  type ResourceChange,
  type RpcServer,
  SLOT_TYPE,
  SUBJECT_POLICY_TYPE,
} from '../../xds-server/serve/index.ts';
import type { ControlParts } from '../control/control-parts.ts';
import { PolicyParts } from '../controller/policy-parts.ts';
import { describeFailure } from '../describe-failure.ts';
import { Enforcement, type EnforcementEvent } from '../enforcer/enforcement.ts';
import { enforcementEntry } from '../enforcer/enforcement-entry.ts';
import { FlowTelling } from '../enforcer/flow-telling.ts';
import { flowFailure } from '../flow-failure.ts';
import type { Log } from '../log.ts';
import { countRedirects } from '../node-metrics.ts';
import { readVersions } from '../version.ts';
import { IdentityNumbers } from './identity-numbers.ts';
import { LocalPods } from './local-pods.ts';
import type { EnforceOptions } from './run.ts';

export interface RunPolicyOptions extends EnforceOptions {
  readonly settings: Settings;
  readonly state: StateFolder;
  /** Where Envoy and the enforcer connect to. */
  readonly rpc: RpcServer;
  /** What Envoy tells. */
  readonly logs: AccessLogIntake;
  readonly log: Log;
  /** What serves Envoy; not to be asked for before there is anything to serve. */
  readonly control: () => ControlParts;
}

const OF_RULES = new Set([SUBJECT_POLICY_TYPE, SLOT_TYPE]);
/** How old a change has to be to be told of before those that came after it are in force. */
const TELL_AFTER_MS = 1_000;
const UPSTREAM_BACK_OFF = { firstMs: 20, maxMs: 200 };

/** Policies of a folder, enforced for its pods by the kernel of this machine: controller, agent and enforcer in one. */
export class RunPolicy implements AsyncDisposable {
  readonly parts: PolicyParts;
  /** Undefined where the settings say that none are remembered. */
  readonly flows: NodeFlows | undefined;
  readonly #options: RunPolicyOptions;
  readonly #denials = new DenialLog();
  readonly #numbers: IdentityNumbers;
  readonly #cleanUp = new AsyncDisposableStack();
  #slots: NodeSlots | undefined;
  #isSettling = false;
  /** What rules say that is not in force: since which revision, and when. The oldest comes first. */
  #changes: readonly { readonly revision: number; readonly at: number }[] = [];

  constructor(options: RunPolicyOptions) {
    this.#options = options;
    this.#numbers = IdentityNumbers.open(options.state.path);
    const { settings, rpc, logs, log } = options;
    this.parts = new PolicyParts({
      settings,
      rpc,
      impliesNamespaces: true,
      publish: (change) => this.#publish(change),
      onPublished: (taken) => this.#options.control().notePublished(taken),
      publishedVersion: (name) => this.#options.control().cache.get(name)?.version,
      isHeld: (resource) => this.#slots?.isHeld(resource) ?? false,
      onSynced: (_nodeId, revision) => void this.#onSynced(revision),
      onChange: () => this.#onChange(),
    });
    const { enabled, capacity } = settings.flows;
    const { cache } = this.parts.side;
    const about = { node: options.nodeName, version: readVersions().sluice, onFailure: flowFailure(log) };
    if (enabled) this.flows = this.#cleanUp.use(new NodeFlows({ ...about, capacity, cache }));
    this.flows?.hear(rpc);
    logs.add(this.#denials);
    if (this.flows) logs.add(this.flows.ofEnvoy);
    cache.watch((change) => this.#noteChange(change));
    this.#cleanUp.defer(() => this.parts.close());
    this.parts.restoreNumbers(this.#numbers.objects());
  }

  /** Why a request was denied; undefined where nothing is known of it. */
  explainDenial(id: string): DenialExplanation | undefined {
    return explainDenialOf(this.#denials, this.parts.side.cache, id);
  }

  /** The source, of which policies take their part first. */
  split(source: ObjectSource): ObjectSource {
    return this.parts.split(new LocalPods(source, this.#options.nodeName));
  }

  /**
   * Begins to enforce.
   * @throws DatapathError or NetlinkError where this machine cannot enforce anything
   */
  async start(): Promise<Enforcement> {
    const { state, nodeName, pinFolder, networkState: stateFolder, cgroup, log, control } = this.#options;
    const { cache, server } = control();
    this.#slots = this.#cleanUp.use(
      new NodeSlots({
        envoy: { cache, server, setOwn: (change) => this.#publish(change) },
        enforcer: this.parts.side,
        ports: ProxyPorts.open(state.path),
        listening: listeningPorts,
        onFailure: (error) => log({ level: 'error', event: 'slots', text: describeFailure(error) }),
        onRefusals: (refused) => this.parts.noteRefused(nodeName, refused),
        onHoldings: (holdings) => this.#noteHoldings(holdings),
      }),
    );
    const upstream = { target: `unix:${state.xdsSocket}`, credentials: credentials.createInsecure(), backOff: UPSTREAM_BACK_OFF };
    const onEvent = (event: EnforcementEvent) => {
      // Here the agent is this process, and all being in force is told of with each change.
      if (event.kind === 'failed' || event.kind === 'refused' || event.kind === 'restored') log(enforcementEntry(event));
    };
    const all = { upstream, nodeName, pinFolder, stateFolder, ...(cgroup && { cgroup }), onEvent };
    const enforcement = this.#cleanUp.use(await Enforcement.start(all));
    if (this.flows) this.#cleanUp.use(new FlowTelling({ source: enforcement.datapath, upstream, onFailure: flowFailure(log) }));
    countRedirects(this.#slots, control().metrics);
    return enforcement;
  }

  /** Of the rules that this machine's policies have; none before it enforces. */
  slots(): readonly SlotState[] {
    return this.#slots?.state() ?? [];
  }

  /** What Envoy has of listeners that Services are led to; undefined before this machine enforces. */
  holdings(): Holdings | undefined {
    return this.#slots?.holdings();
  }

  /** What is in force stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanUp.disposeAsync();
  }

  /** What a cluster's leader would write, is kept here. */
  #onChange(): void {
    if (this.#isSettling) return;
    this.#isSettling = true;
    try {
      this.#settleNumbers();
    } catch (error) {
      // Pods whose labels have no number are `init`: nothing passes but what a policy for that allows.
      const text = `numbers of identities cannot be written: ${describeFailure(error)}`;
      this.#options.log({ level: 'error', event: 'identities', text });
    }
    this.#isSettling = false;
    this.#options.control().noteFindings();
  }

  #settleNumbers(): void {
    for (;;) {
      const actions = this.parts.takeActions().flatMap(([, action]): Action[] => (action ? [action] : []));
      const { upserts, removals } = this.#numbers.take(actions);
      if (upserts.length + removals.length === 0) return;
      this.parts.take({ upserts, removals });
    }
  }

  /** What Envoy makes of listeners that Services are led to, by the versions that the controller knows. */
  #noteHoldings({ accepted, refused }: Holdings): void {
    const { control, nodeName: nodeId } = this.#options;
    const tell = (name: string, told: Pick<Outcome, 'outcome' | 'version' | 'message'>) =>
      control().controller.onOutcome({ typeUrl: SLOT_TYPE, name, nodeId, removed: false, ...told });
    for (const [name, version] of accepted) tell(name, { outcome: 'held', version, message: '' });
    // Of what it has, that is a copy.
    for (const [name, refusal] of refused) if (!accepted.has(name)) tell(name, { outcome: 'nack', ...refusal });
  }

  #noteChange({ revision, names }: PublishedChange): void {
    if (!names.some(({ typeUrl }) => OF_RULES.has(typeUrl))) return;
    this.#changes = [...this.#changes, { revision, at: performance.now() }];
  }

  /** Rules of layer 7 are in force once Envoy has them, too. Where changes never cease, it is told all the same what is in force, but not with each. */
  async #onSynced(revision: number): Promise<void> {
    const [oldest] = this.#changes;
    if (!oldest || revision < oldest.revision) return;
    const newer = this.#changes.filter((change) => change.revision > revision);
    if (newer.length > 0 && performance.now() - oldest.at < TELL_AFTER_MS) return;
    this.#changes = newer;
    const { control, nodeName, log } = this.#options;
    const { server, cache } = control();
    await server.waitSynced(nodeName, { revision: cache.revision }).catch(() => {});
    const milliseconds = Math.round(performance.now() - oldest.at);
    const text =
      newer.length === 0
        ? `policies as they are now, ${milliseconds} ms after a change`
        : `policies as they were ${milliseconds} ms ago, and not what has changed since`;
    log({ level: 'info', event: 'enforced', text, fields: { milliseconds, newer: newer.length } });
  }

  #publish(change: ResourceChange): void {
    this.#options.control().controller.publish(change);
  }
}
