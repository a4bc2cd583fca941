import { compareText, type ObjectRef, objectKey } from '../../model/index.ts';
import type { ConfigStatus } from '../admin/status.ts';
import type { ConfigState } from '../pipeline/config-states.ts';
import { type Condition, judgementsOf } from './conditions.ts';
import { type NodeHolding, progressOf } from './progress.ts';

/** What is known of what nodes have of configs. */
export interface ConfigsOnNodes {
  /** The nodes that a config is for, sorted. */
  readonly nodesOf: (state: ConfigState) => readonly string[];
  /** Undefined for a node of which nothing is known. */
  readonly holdingOf: (node: string) => NodeHolding | undefined;
}

/** So much of a condition's message is told. */
const MAX_MESSAGE = 1_000;

/**
 * Configs with what they are told, for whoever asks at this process: also where no status is written. Sorted.
 * @param onNodes undefined where nothing is known of nodes
 */
export function reportConfigs(
  states: Iterable<readonly [object: ObjectRef, state: ConfigState]>,
  onNodes: ConfigsOnNodes | undefined,
): readonly ConfigStatus[] {
  const reports = Array.from(states, ([object, state]) => [objectKey(object), reportOf(object, state, onNodes)] as const);
  return reports.sort(([a], [b]) => compareText(a, b)).map(([, report]) => report);
}

function reportOf({ kind, namespace, name }: ObjectRef, state: ConfigState, onNodes: ConfigsOnNodes | undefined): ConfigStatus {
  const progress = progressOf(state.wanted, onNodes?.nodesOf(state) ?? [], onNodes?.holdingOf ?? (() => undefined));
  const { accepted, resolvedRefs, programmed } = judgementsOf(state, progress, false);
  const nodes = { programmed: progress.programmed, total: progress.total };
  return {
    ...{ kind, namespace, name, accepted: cut(accepted), resolvedRefs: cut(resolvedRefs) },
    ...(onNodes && { programmed: cut(programmed), ...(state.wanted.length > 0 && { nodes }) }),
  };
}

function cut({ message, ...rest }: Condition): Condition {
  return { ...rest, message: message.slice(0, MAX_MESSAGE) };
}
