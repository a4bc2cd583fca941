import { OptionProblem } from '../option-problem.ts';

/** @param labels each with its source: `k8s:app=web` */
export type MatchesLabels = (labels: readonly string[]) => boolean;

interface Label {
  readonly source: string;
  readonly key: string;
  readonly value: string;
}

const KEY = /^[^\s=!,:()]+(?::[^\s=!,:()]+)?/;
const VALUE = /^[^\s=!,()]*$/;
const SET = /^\s+(not)?in\s*\(([^()]*)\)$/;

/**
 * A selector as Kubernetes writes it, whose keys may say their source: `k8s:app=web, tier in (a, b), !reserved:host`. A key that says none
 * matches labels of any source.
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */
export function labelSelector(text: string): MatchesLabels | OptionProblem {
  const requirements: ((labels: readonly Label[]) => boolean)[] = [];
  for (const part of splitOutsideOfSets(text)) {
    const requirement = readRequirement(part);
    if (!requirement)
      return new OptionProblem(`${JSON.stringify(text)} is no label selector: ${JSON.stringify(part.trim())} is not understood`);
    requirements.push(requirement);
  }
  return (labels) => {
    const read = labels.map(readLabel);
    return requirements.every((holds) => holds(read));
  };
}

/** Whoever asks says what a selector is, so it is read in time that grows with its length only. */
function splitOutsideOfSets(text: string): string[] {
  if (text.trim() === '') return [];
  const parts: string[] = [];
  let [begin, isInSet] = [0, false];
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '(') isInSet = true;
    else if (character === ')') isInSet = false;
    else if (character === ',' && !isInSet) {
      parts.push(text.slice(begin, index));
      begin = index + 1;
    }
  }
  return [...parts, text.slice(begin)];
}

type Requirement = (labels: readonly Label[]) => boolean;

function readRequirement(part: string): Requirement | undefined {
  const text = part.trim();
  const isAbsent = text.startsWith('!');
  const said = isAbsent ? text.slice(1).trimStart() : text;
  const [key] = KEY.exec(said) ?? [];
  if (key === undefined) return undefined;
  const named = (labels: readonly Label[]) => labels.filter(hasKey(key));
  const rest = said.slice(key.length);
  if (isAbsent) return rest === '' ? (labels) => named(labels).length === 0 : undefined;
  if (rest === '') return (labels) => named(labels).length > 0;
  const wanted = readWanted(rest);
  if (!wanted) return undefined;
  const isWanted: Requirement = (labels) => named(labels).some((label) => wanted.values.has(label.value));
  return wanted.isNegated ? (labels) => !isWanted(labels) : isWanted;
}

/** What a selector says of a key: `= a`, `!= a`, ` in (a, b)`. */
function readWanted(text: string): { readonly values: ReadonlySet<string>; readonly isNegated: boolean } | undefined {
  const [, not, values] = SET.exec(text) ?? [];
  if (values !== undefined) return { values: new Set(values.split(',').map((each) => each.trim())), isNegated: not !== undefined };
  const [operator] = /^(?:==?|!=)/.exec(text.trimStart()) ?? [];
  if (operator === undefined) return undefined;
  const value = text.trimStart().slice(operator.length).trim();
  return VALUE.test(value) ? { values: new Set([value]), isNegated: operator === '!=' } : undefined;
}

function hasKey(key: string): (label: Label) => boolean {
  const colon = key.indexOf(':');
  const [source, name] = colon === -1 ? ['any', key] : [key.slice(0, colon), key.slice(colon + 1)];
  return (label) => label.key === name && (source === 'any' || label.source === source);
}

function readLabel(label: string): Label {
  const [, source = 'any', key = '', value = ''] = /^(?:([^:=]*):)?([^=]*)(?:=(.*))?$/s.exec(label) ?? [];
  return { source, key, value };
}
