import type { WantedCondition } from '../../kube/index.ts';
import { type Diagnostic, formatPath } from '../../model/index.ts';
import { SLOT_TYPE } from '../../xds-server/serve/index.ts';
import type { ConfigState, WantedResource } from '../pipeline/config-states.ts';
import { isAbout } from './conditions-of-codes.ts';
import type { Progress, RefusedResource } from './progress.ts';

/** The longest message that `metav1.Condition` allows, and a little less. */
const MAX_MESSAGE = 32_000;
/** So much of what a node says is told on. */
const MAX_WORDS = 1_000;
/** Nodes, and resources, that are named. */
const MAX_NAMED = 5;
const KEPT = 'what it said when it was right stays in force';

const NOTHING = 'none of it is served';
const SERVABLE = 'all of it can be served';
const TOO_LARGE = 'it is too large to be remembered while a later version is wrong and all controllers are started anew';

export type Condition = Pick<WantedCondition, 'status' | 'reason' | 'message'>;

export interface Judgements {
  readonly accepted: Condition;
  readonly resolvedRefs: Condition;
  readonly programmed: Condition;
}

/**
 * What a config is told of itself.
 * @param isTooLarge to be remembered by the object itself
 */
export function conditionsOf(state: ConfigState, progress: Progress, isTooLarge: boolean): readonly WantedCondition[] {
  const { generation } = state;
  const { accepted, resolvedRefs, programmed } = judgementsOf(state, progress, isTooLarge);
  const conditions = { Accepted: accepted, ResolvedRefs: resolvedRefs, Programmed: programmed };
  return Object.entries(conditions).map(([type, { message, ...rest }]) => ({
    type,
    ...rest,
    message: message.slice(0, MAX_MESSAGE),
    ...(generation !== undefined && { observedGeneration: generation }),
  }));
}

/** The same, each by itself; a message may be of any length. */
export function judgementsOf(state: ConfigState, progress: Progress, isTooLarge: boolean): Judgements {
  return { accepted: accepted(state, isTooLarge), resolvedRefs: resolvedRefs(state), programmed: programmed(state, progress) };
}

function accepted({ diagnostics, good }: ConfigState, isTooLarge: boolean): Condition {
  const wrong = diagnostics.filter((each) => isAbout(each, 'accepted'));
  const [first] = wrong;
  if (!first) return { status: 'True', reason: 'Accepted', message: servable(diagnostics, isTooLarge) };
  const kept = good ? `${KEPT}${good.generation === undefined ? '' : ` (generation ${good.generation})`}` : NOTHING;
  return { status: 'False', reason: first.code, message: describe(wrong, `; ${kept}`) };
}

function servable(diagnostics: readonly Diagnostic[], isTooLarge: boolean): string {
  const warnings = diagnostics.filter((each) => isAbout(each, 'warning'));
  const told = warnings.length === 0 ? [] : [describe(warnings)];
  return [SERVABLE, ...(isTooLarge ? [TOO_LARGE] : []), ...told].join('; ');
}

/** What was wrong of what is told as not accepted, without what is in force instead. */
export function mistakesIn(message: string): string {
  return message.replace(/; (?:what it said when it was right stays in force(?: \(generation \d+\))?|none of it is served)$/, '');
}

function resolvedRefs({ diagnostics }: ConfigState): Condition {
  const missing = diagnostics.filter((each) => isAbout(each, 'refs'));
  const [first] = missing;
  if (!first) return { status: 'True', reason: 'ResolvedRefs', message: 'all that it names is there' };
  return { status: 'False', reason: first.code, message: describe(missing) };
}

function programmed({ diagnostics, good, wanted }: ConfigState, progress: Progress): Condition {
  if (!good) return { status: 'False', reason: 'NotAccepted', message: NOTHING };
  const isOld = diagnostics.some((each) => isAbout(each, 'accepted'));
  const { refused } = progress;
  if (refused.length > 0) return { status: 'False', reason: 'RejectedByEnvoy', message: `${count(progress, isOld)}; ${refusals(refused)}` };
  const left = diagnostics.filter((each) => isAbout(each, 'programmed'));
  const [first] = left;
  if (first) return { status: 'False', reason: first.code, message: describe(left) };
  if (wanted.length === 0) return { status: 'True', reason: 'NothingToServe', message: 'it has no listener that is served' };
  if (progress.total === 0) return { status: 'Unknown', reason: 'NoNodes', message: 'no node that it is for has an agent' };
  if (progress.programmed === progress.total)
    return { status: 'True', reason: 'Programmed', message: `${count(progress, isOld)}${beside(diagnostics)}` };
  const waiting = `${count(progress, isOld)}; not yet: ${someOf(progress.waiting)}`;
  return { status: 'Unknown', reason: 'Pending', message: waiting };
}

function beside(diagnostics: readonly Diagnostic[]): string {
  const told = diagnostics.filter((each) => isAbout(each, 'beside'));
  return told.length > 0 ? `; ${describe(told)}` : '';
}

function count({ programmed, total }: Progress, isOld: boolean): string {
  return `${programmed} of ${total} node${total === 1 ? '' : 's'}${isOld ? ' have what it said when it was right' : ''}`;
}

function refusals(refused: readonly RefusedResource[]): string {
  const told = refused.slice(0, MAX_NAMED).map(describeRefusal);
  const others = refused.length - told.length;
  return `${told.join('; ')}${others > 0 ? `; and ${others} more` : ''}`;
}

function describeRefusal({ resource, isCopy, message, nodes }: RefusedResource): string {
  const what = isCopy ? `a copy, which asks clients the rules of their policies, of ${titleOf(resource)}` : titleOf(resource);
  const who = nodes.length === 1 ? `Envoy of node ${nodes[0]} refuses` : `Envoys of ${nodes.length} nodes (${someOf(nodes)}) refuse`;
  return `${who} ${what} (${formatPath(resource.source.path)}): ${message.trim().slice(0, MAX_WORDS)}`;
}

/** As the user has named it. */
function titleOf({ typeUrl, qualifiedName, source: { object } }: WantedResource): string {
  const kind = typeUrl === SLOT_TYPE ? 'Listener' : typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
  const own = `${object.namespace}/${object.name}/`;
  return `${kind} ${JSON.stringify(qualifiedName.startsWith(own) ? qualifiedName.slice(own.length) : qualifiedName)}`;
}

function someOf(names: readonly string[]): string {
  const others = names.length - MAX_NAMED;
  return `${names.slice(0, MAX_NAMED).join(', ')}${others > 0 ? ` and ${others} more` : ''}`;
}

/** @param end comes after as many as there is room for */
function describe(findings: readonly Diagnostic[], end = ''): string {
  const room = MAX_MESSAGE - end.length - '; and 99999 more'.length;
  let text = '';
  for (const [index, { path, message }] of findings.entries()) {
    const next = `${index > 0 ? '; ' : ''}${path.length > 0 ? `${formatPath(path)}: ` : ''}${message}`;
    if (text.length + next.length > room) return `${(text || next).slice(0, room)}; and ${findings.length - Math.max(index, 1)} more${end}`;
    text += next;
  }
  return `${text}${end}`;
}
