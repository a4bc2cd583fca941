import { isDeepStrictEqual } from 'node:util';
import {
  type CiliumEnvoyConfig,
  type Clock,
  MONOTONIC_CLOCK,
  mergeConditions,
  refOf,
  type StatusAction,
  type WantedCondition,
} from '../../kube/index.ts';
import { type ObjectRef, objectKey } from '../../model/index.ts';
import { matchesLabels } from '../../settings/index.ts';
import type { HoldingReport, ResourceName } from '../../xds-server/serve/index.ts';
import type { AgentNode, ConfigState } from '../pipeline/config-states.ts';
import { conditionsOf } from './conditions.ts';
import type { ConfigsOnNodes } from './config-reports.ts';
import { memoryOf } from './last-accepted.ts';
import { NodeHoldings } from './node-holdings.ts';
import { type NodeHolding, progressOf } from './progress.ts';

export interface ConfigStatusesOptions {
  /** Told when there may be actions to take. */
  readonly onDue: () => void;
  readonly clock?: Clock;
  readonly now?: () => Date;
  /** How long changes are gathered, in milliseconds: nodes come one after the other. Default 1000. */
  readonly settleMs?: number;
  /** How long nodes that have not said yet what they have are waited for by whoever begins to lead. Default 15 000. */
  readonly graceMs?: number;
}

/** Statuses that are written in one go; what is left is due again soon. */
const MAX_ACTIONS = 20;

/**
 * What configs are to be told of themselves in their statuses, and have not been. Only whoever leads knows what nodes have, and writes; in
 * proportion to what changes, and no more than so many a second, so that configs which change all the time leave room for other statuses.
 */
export class ConfigStatuses implements Disposable {
  readonly #options: ConfigStatusesOptions;
  readonly #clock: Clock;
  readonly #objects = new Map<string, CiliumEnvoyConfig>();
  readonly #states = new Map<string, ConfigState>();
  readonly #holdings = new NodeHoldings();
  /** Configs that want a resource, by {@link nameKey}. */
  readonly #wanting = new Map<string, Set<string>>();
  readonly #touched = new Set<string>();
  readonly #present = new Set<string>();
  /** Nodes whose agents say no more, and may come back. */
  readonly #lost = new Map<string, () => void>();
  #nodes: readonly AgentNode[] = [];
  #kinds: ReadonlySet<string> = new Set();
  #leadsSince: number | undefined;
  #isSettled = false;
  #cancelDue: (() => void) | undefined;

  constructor(options: ConfigStatusesOptions) {
    this.#options = options;
    this.#clock = options.clock ?? MONOTONIC_CLOCK;
  }

  /** To be told of every object, also where only its status has changed. */
  put(object: CiliumEnvoyConfig): void {
    const key = objectKey(refOf(object));
    this.#objects.set(key, object);
    this.#touch(key);
  }

  delete(ref: ObjectRef): void {
    const key = objectKey(ref);
    if (this.#objects.delete(key)) this.#touch(key);
  }

  /** @param changed what has become of each config that the pipeline has changed */
  setStates(changed: Iterable<readonly [key: string, state: ConfigState | undefined]>): void {
    for (const [key, state] of changed) {
      for (const name of this.#states.get(key)?.wanted ?? []) this.#wantsNoMore(key, nameKey(name));
      if (state) this.#states.set(key, state);
      else this.#states.delete(key);
      for (const name of state?.wanted ?? []) {
        const wanting = this.#wanting.get(nameKey(name)) ?? new Set();
        this.#wanting.set(nameKey(name), wanting.add(key));
      }
      this.#touch(key);
    }
  }

  /** @param nodes that have an agent, sorted by name */
  setNodes(nodes: readonly AgentNode[]): void {
    if (isDeepStrictEqual(nodes, this.#nodes)) return;
    this.#nodes = nodes;
    this.#touchAll();
  }

  /** Nothing is written into statuses of other kinds. */
  setKinds(kinds: ReadonlySet<string>): void {
    if (isDeepStrictEqual(kinds, this.#kinds)) return;
    this.#kinds = kinds;
    this.#touchAll();
  }

  /** Who leads is told by nodes what they have, and is the only one who knows. */
  setLeading(isLeading: boolean): void {
    this.#leadsSince = isLeading ? this.#clock.now() : undefined;
    this.#isSettled = false;
    this.#touchAll();
  }

  /**
   * @param report undefined where a node begins anew to say what it has
   * @returns what it has, and refuses, otherwise than before
   */
  noteHoldings(node: string, report: HoldingReport | undefined): readonly ResourceName[] {
    this.#lost.get(node)?.();
    this.#lost.delete(node);
    const changed = this.#holdings.take(node, report);
    this.#touchWanting(changed);
    return changed;
  }

  /** What a node has; undefined where its agent says nothing. */
  holdingOf(node: string): NodeHolding | undefined {
    return this.#holdings.get(node);
  }

  /** What is known of what nodes have; undefined where this one is not told, or not of all nodes yet. */
  onNodes(): ConfigsOnNodes | undefined {
    if (!this.#knowsNodes()) return undefined;
    return { nodesOf: (state) => this.#nodesOf(state), holdingOf: (node) => this.#holdings.get(node) };
  }

  /** A node says no more: what it had counts for a while, since it may come back. */
  noteSilence(node: string): void {
    this.#lost.get(node)?.();
    const forget = () => {
      this.#lost.delete(node);
      this.#touchWanting(this.#holdings.forget(node));
    };
    this.#lost.set(node, this.#clock.after(this.#graceMs, forget));
  }

  /** What has become of each action since this was asked last; undefined for one that is gone. */
  takeActions(): readonly (readonly [key: string, action: StatusAction | undefined])[] {
    if (!this.#mayTell()) {
      const gone = [...this.#present];
      this.#present.clear();
      return gone.map((key) => [`status:${key}`, undefined] as const);
    }
    const changed: (readonly [string, StatusAction | undefined])[] = [];
    let left = MAX_ACTIONS;
    for (const key of this.#touched) {
      if (left === 0) break;
      this.#touched.delete(key);
      const action = this.#actionOf(key);
      if (action) left--;
      if (action) this.#present.add(key);
      else if (!this.#present.delete(key)) continue;
      changed.push([`status:${key}`, action]);
    }
    if (this.#touched.size > 0) this.#due();
    return changed;
  }

  [Symbol.dispose](): void {
    this.#cancelDue?.();
    for (const cancel of this.#lost.values()) cancel();
  }

  get #graceMs(): number {
    return this.#options.graceMs ?? 15_000;
  }

  #mayTell(): boolean {
    const mayTell = this.#knowsNodes();
    if (!mayTell && this.#leadsSince !== undefined) this.#due();
    return mayTell;
  }

  #knowsNodes(): boolean {
    if (this.#leadsSince === undefined) return false;
    this.#isSettled ||=
      this.#clock.now() - this.#leadsSince >= this.#graceMs || this.#nodes.every(({ name }) => this.#holdings.get(name) !== undefined);
    return this.#isSettled;
  }

  #touch(key: string): void {
    this.#touched.add(key);
    this.#due();
  }

  #touchAll(): void {
    for (const key of this.#objects.keys()) this.#touched.add(key);
    this.#due();
  }

  #wantsNoMore(key: string, name: string): void {
    const wanting = this.#wanting.get(name);
    wanting?.delete(key);
    if (wanting?.size === 0) this.#wanting.delete(name);
  }

  #touchWanting(names: readonly ResourceName[]): void {
    for (const name of names) for (const key of this.#wanting.get(nameKey(name)) ?? []) this.#touch(key);
  }

  #due(): void {
    this.#cancelDue ??= this.#clock.after(this.#options.settleMs ?? 1_000, () => {
      this.#cancelDue = undefined;
      this.#options.onDue();
    });
  }

  #nodesOf({ nodeSelector }: ConfigState): readonly string[] {
    return this.#nodes.filter(({ labels }) => !nodeSelector || matchesLabels(nodeSelector, labels)).map(({ name }) => name);
  }

  #actionOf(key: string): StatusAction | undefined {
    const object = this.#objects.get(key);
    const state = this.#states.get(key);
    if (!object || !state || !this.#kinds.has(object.kind)) return undefined;
    const { uid, generation, name, namespace } = object.metadata;
    // What was judged is another version, or another object, until the pipeline has taken this one in.
    if (uid === undefined || state.uid !== uid || state.generation !== generation) return undefined;
    const progress = progressOf(state.wanted, this.#nodesOf(state), (node) => this.#holdings.get(node));
    const { lastAccepted, isTooLarge } = memoryOf(object, state, progress);
    const conditions = conditionsOf(state, progress, isTooLarge);
    const nodes = state.wanted.length > 0 ? { programmed: progress.programmed, total: progress.total } : undefined;
    const present = object.status;
    const isTold =
      hasConditions(present?.conditions ?? [], conditions) &&
      isDeepStrictEqual(present?.nodes, nodes) &&
      present?.lastAccepted?.generation === lastAccepted?.generation;
    if (isTold) return undefined;
    const { apiVersion, kind } = object;
    const status = {
      conditions: mergeConditions(present?.conditions ?? [], conditions, this.#options.now?.() ?? new Date()),
      ...(nodes && { nodes }),
      ...(lastAccepted && { lastAccepted }),
    };
    const manifest = { apiVersion, kind, metadata: { name, ...(namespace !== '' && { namespace }) }, status };
    return { kind: 'status', ref: refOf(object), manifest, uid };
  }
}

function nameKey({ typeUrl, name }: ResourceName): string {
  return `${typeUrl} ${name}`;
}

/** Of conditions of others nothing is said. */
function hasConditions(present: readonly WantedCondition[], wanted: readonly WantedCondition[]): boolean {
  return wanted.every((each) => {
    const { type, status, reason, message, observedGeneration } = present.find(({ type }) => type === each.type) ?? {};
    return isDeepStrictEqual({ type, status, reason, message, ...(observedGeneration !== undefined && { observedGeneration }) }, each);
  });
}
