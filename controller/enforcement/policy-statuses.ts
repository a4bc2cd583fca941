import { isDeepStrictEqual } from 'node:util';
import { equal } from '../../collection/index.ts';
import {
  type CiliumClusterwideNetworkPolicy,
  type CiliumNetworkPolicy,
  mergeConditions,
  refOf,
  type StatusAction,
  type WantedCondition,
} from '../../kube/index.ts';
import { type Diagnostic, formatPath, type ObjectRef, objectKey } from '../../model/index.ts';

type Policy = CiliumNetworkPolicy | CiliumClusterwideNetworkPolicy;

/** The condition that Cilium's operator writes, with its words where nothing is wrong, so that the two agree where both are there. */
const VALID = 'Valid';
const VALID_MESSAGE = 'Policy validation succeeded';
/** Whether all of a valid policy is enforced. */
const ENFORCEABLE = 'sluice.io/Enforceable';
const INVALID_POLICY = 'InvalidPolicy';
/** Takes nothing with it but itself. */
const INVALID_RULE = 'InvalidLayer7Rule';
/** The longest message that `metav1.Condition` allows, and a little less. */
const MAX_MESSAGE = 32_000;
const NONE: readonly Diagnostic[] = [];

/** What Cilium's policies are to be told of themselves in their statuses, and have not been; in proportion to what changes. */
export class PolicyStatuses {
  readonly #now: () => Date;
  readonly #policies = new Map<string, Policy>();
  readonly #findings = new Map<string, readonly Diagnostic[]>();
  readonly #touched = new Set<string>();
  readonly #present = new Set<string>();
  /** Those whose statuses have room for conditions. */
  #kinds: ReadonlySet<string> = new Set();

  constructor(now: () => Date = () => new Date()) {
    this.#now = now;
  }

  /** The policy as it was put last. */
  get(key: string): Policy | undefined {
    return this.#policies.get(key);
  }

  put(policy: Policy): void {
    const key = objectKey(refOf(policy));
    this.#policies.set(key, policy);
    this.#touched.add(key);
  }

  delete(ref: ObjectRef): void {
    const key = objectKey(ref);
    if (this.#policies.delete(key)) this.#touched.add(key);
  }

  /** @param diagnostics all that there are, of whatever objects */
  setFindings(diagnostics: readonly Diagnostic[]): void {
    const before = new Map(this.#findings);
    this.#findings.clear();
    for (const diagnostic of diagnostics) {
      const key = diagnostic.severity === 'error' && diagnostic.object && objectKey(diagnostic.object);
      if (key) this.#findings.set(key, [...(this.#findings.get(key) ?? NONE), diagnostic]);
    }
    for (const key of new Set([...before.keys(), ...this.#findings.keys()])) {
      if (!equal(before.get(key) ?? NONE, this.#findings.get(key) ?? NONE)) this.#touched.add(key);
    }
  }

  /** Nothing is written into statuses of other kinds. */
  setKinds(kinds: ReadonlySet<string>): void {
    if (isDeepStrictEqual(kinds, this.#kinds)) return;
    this.#kinds = kinds;
    for (const key of this.#policies.keys()) this.#touched.add(key);
  }

  /** What has become of each action since this was asked last; undefined for one that is gone. */
  takeActions(): readonly (readonly [key: string, action: StatusAction | undefined])[] {
    const changed: (readonly [string, StatusAction | undefined])[] = [];
    for (const key of this.#touched) {
      const policy = this.#policies.get(key);
      const action = policy && this.#kinds.has(policy.kind) ? this.#actionFor(policy, this.#findings.get(key) ?? NONE) : undefined;
      if (action) this.#present.add(key);
      else if (!this.#present.delete(key)) continue;
      changed.push([`status:${key}`, action]);
    }
    this.#touched.clear();
    return changed;
  }

  #actionFor(policy: Policy, findings: readonly Diagnostic[]): StatusAction | undefined {
    const { kind, apiVersion, metadata } = policy;
    if (metadata.uid === undefined) return undefined;
    const present = policy.status?.conditions ?? [];
    const wanted = wantedConditions(findings);
    const isTold = wanted.every(({ type, status, reason, message }) => {
      const found = present.find((condition) => condition.type === type);
      // Cilium's operator gives no reason.
      return found?.status === status && found.message === message && (found.reason === reason || found.reason === '');
    });
    if (isTold) return undefined;
    const timed = present.filter(({ lastTransitionTime }) => lastTransitionTime !== '');
    const status = { conditions: mergeConditions(timed, wanted, this.#now()) };
    const { name, namespace, uid } = metadata;
    const manifest = { apiVersion, kind, metadata: { name, ...(namespace !== '' && { namespace }) }, status };
    return { kind: 'status', ref: refOf(policy), manifest, uid };
  }
}

/** Without `observedGeneration`, for which Cilium's definitions have no room. */
function wantedConditions(findings: readonly Diagnostic[]): readonly WantedCondition[] {
  const wrong = findings.filter(({ code }) => code === INVALID_POLICY || code === INVALID_RULE);
  const isValid = wrong.length === 0;
  const valid: WantedCondition = isValid
    ? { type: VALID, status: 'True', reason: 'Valid', message: VALID_MESSAGE }
    : { type: VALID, status: 'False', reason: 'Invalid', message: describe(wrong) };
  if (wrong.some(({ code }) => code === INVALID_POLICY)) {
    return [valid, { type: ENFORCEABLE, status: 'False', reason: 'Invalid', message: 'it allows nothing; what it selects is isolated' }];
  }
  const [first] = findings;
  if (!first) return [valid, { type: ENFORCEABLE, status: 'True', reason: 'Enforceable', message: 'all rules can be enforced' }];
  return [valid, { type: ENFORCEABLE, status: 'False', reason: first.code, message: describe(findings) }];
}

function describe(findings: readonly Diagnostic[]): string {
  const told = findings.map(({ path, message }) => `${formatPath(path)}: ${message}`).join('; ');
  return told.slice(0, MAX_MESSAGE);
}
