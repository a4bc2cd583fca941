import { OptionProblem } from '../option-problem.ts';

/** @param labels each with its source: `k8s:app=web` */
export type MatchesLabels = (labels: readonly string[]) => boolean;

interface Label {
  readonly source: string;
  readonly key: string;
  readonly value: string;
}

const KEY = String.raw`(?:[^\s=!,:()]+:)?[^\s=!,:()]+`;
const VALUE = String.raw`[^\s=!,()]*`;
const REQUIREMENT = new RegExp(
  String.raw`^\s*(?:(?<absent>!)\s*)?(?<key>${KEY})\s*(?:(?<operator>==?|!=)\s*(?<value>${VALUE})|(?<set>\s(?:not)?in)\s*\((?<values>[^()]*)\))?\s*$`,
);

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

function splitOutsideOfSets(text: string): string[] {
  return text.trim() === '' ? [] : text.split(/,(?![^(]*\))/);
}

function readRequirement(part: string): ((labels: readonly Label[]) => boolean) | undefined {
  const groups = REQUIREMENT.exec(part)?.groups;
  if (!groups) return undefined;
  const { absent, key = '', operator, value = '', set, values = '' } = groups;
  const named = (labels: readonly Label[]) => labels.filter(hasKey(key));
  if (absent !== undefined) return operator === undefined && set === undefined ? (labels) => named(labels).length === 0 : undefined;
  if (operator === undefined && set === undefined) return (labels) => named(labels).length > 0;
  const wanted = new Set(set === undefined ? [value] : values.split(',').map((each) => each.trim()));
  const isWanted = (labels: readonly Label[]) => named(labels).some((label) => wanted.has(label.value));
  const isNegated = operator === '!=' || set?.trim() === 'notin';
  return isNegated ? (labels) => !isWanted(labels) : isWanted;
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
