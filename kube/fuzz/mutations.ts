import { CORPUS } from './corpus.ts';
import type { Random } from './random.ts';
import { Structure } from './structure.ts';

/** Makes documents, in the order in which they stand in the file, of manifests that were right. */
type Mutation = (random: Random) => readonly (string | Uint8Array)[];

const MEGABYTE = 1024 * 1024;

const WRONG_VALUES: readonly [unknown, ...unknown[]] = [
  0,
  -1,
  1.5,
  '',
  'x',
  true,
  false,
  [],
  {},
  [[]],
  [null],
  { '': 1 },
  '80',
  ['x'],
  { name: 5 },
];
const NUMBERS: readonly [string, ...string[]] = [
  '1e308',
  '-1',
  '9007199254740993',
  '0x7fffffffffff',
  '1e400',
  '.inf',
  '-.inf',
  '.nan',
  '-0',
  '0o17',
  '65536',
  '1e2',
  '0.1',
  '9'.repeat(400),
];
const NAMES: readonly [string, ...string[]] = [
  '__proto__',
  'constructor',
  'toString',
  '',
  ' ',
  'Name',
  'spec ',
  'null',
  '0',
  'kind',
  'metadata',
  '<<',
];
const CHARACTERS: readonly [string, ...string[]] = [
  '\uFEFF',
  '\u200D',
  '\u202E',
  '\u0085',
  '\u2028',
  '\0',
  '\u0007',
  '😀',
  'e\u0301',
  'Ａ',
  '\uFFFD',
  '\uFFFF',
  '\t',
  '\r',
  '\u00A0',
  '𝕏',
];
const INVALID_BYTES: readonly [readonly number[], ...(readonly number[])[]] = [
  [0xff],
  [0xed, 0xa0, 0x80],
  [0xc0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xe2, 0x28],
];

/** Each class of mutation. */
export const MUTATIONS = {
  truncated: (random) => oneOfCorpus(random, (text) => text.slice(0, random.below(text.length))),
  'wrong-types': structural((structure, random) => structure.replace(() => structuredClone(random.pick(WRONG_VALUES)))),
  nulls: structural((structure) => structure.replace(() => null)),
  'removed-fields': structural((structure) => structure.remove()),
  'renamed-fields': structural((structure, random) => structure.rename((key) => renamed(key, random))),
  'huge-numbers': (random) =>
    oneOfCorpus(random, (text) => withPlaceholder(text, random, random.pick(NUMBERS), (value) => typeof value === 'number')),
  'deep-nesting': (random) => oneOfCorpus(random, (text) => withPlaceholder(text, random, deep(random))),
  'alias-bomb': (random) => oneOfCorpus(random, (text) => aliased(text, random)),
  'odd-unicode': (random) => oneOfCorpus(random, (text) => oddText(text, random)),
  'byte-flips': (random) => oneOfCorpus(random, (text) => flipped(text, random)),
  'duplicate-keys': (random) => oneOfCorpus(random, (text) => withLine(text, random, (line) => `${line}\n${line}`)),
  indentation: (random) => oneOfCorpus(random, (text) => withLine(text, random, (line) => reindented(line, random))),
  'duplicate-objects': (random) => random.shuffle([...CORPUS, ...Array.from({ length: 1 + random.below(4) }, () => variant(random))]),
  'swapped-documents': (random) =>
    random
      .shuffle([...CORPUS, ...oneOfCorpus(random, (text) => text), '', '# nothing\n', '--- # again\n', '...\n', '-----\n'])
      .slice(0, 2 + random.below(10)),
  oversize: (random) => oneOfCorpus(random, (text) => oversized(text, random)),
  strings: structural((structure, random) =>
    structure.replace(
      (value) => oddString(String(value), random),
      (value) => typeof value === 'string',
    ),
  ),
} as const satisfies Record<string, Mutation>;

export type MutationClass = keyof typeof MUTATIONS;

/** The whole corpus, with one of its manifests changed. */
function oneOfCorpus(random: Random, change: (text: string) => string | Uint8Array): readonly (string | Uint8Array)[] {
  const chosen = random.below(CORPUS.length);
  return CORPUS.map((text, index) => (index === chosen ? change(asLastApplied(text, random)) : text));
}

/**
 * A manifest as it comes back from a cluster: with fields that nobody reads, so that a mutation has places where it does no
 * harm, and with a time of creation of its own, so that what is read of it is told from what is read without any mutation.
 */
function asLastApplied(text: string, random: Random): string {
  const read = `  creationTimestamp: "2024-01-01T00:00:${10 + random.below(50)}Z"\n`;
  const unread = `  uid: 7c9e6679-7425-40de-944b-e07fc1f90ae7\n  resourceVersion: "1234567"\n  generation: 3\n  selfLink: /apis/x\n`;
  const fields = `  managedFields:\n  - manager: kubectl\n    operation: Update\n    fieldsType: FieldsV1\n    fieldsV1:\n      f:spec:\n        f:x: {}\n`;
  const status = 'status:\n  observedGeneration: 3\n  conditions:\n  - type: Ready\n    status: "True"\n    weight: 10\n';
  return `${text.replace(/^metadata:\n/m, `metadata:\n${read}${unread}${fields}`)}${status}`;
}

function structural(change: (structure: Structure, random: Random) => void): Mutation {
  return (random) =>
    oneOfCorpus(random, (text) => {
      const structure = new Structure(text, random);
      for (let count = 1 + random.below(3); count > 0; count--) change(structure, random);
      return structure.print();
    });
}

/** Puts a text that no value could be printed as in the place of a random value. */
function withPlaceholder(text: string, random: Random, inserted: string, eligible?: (value: unknown) => boolean): string {
  const structure = new Structure(text, random);
  structure.replace(() => 'PLACEHOLDER', eligible);
  return structure.print().replace(/"PLACEHOLDER"|PLACEHOLDER/, () => inserted);
}

function renamed(key: string, random: Random): string {
  return random.pick([random.pick(NAMES), `${key}s`, key.toUpperCase(), key.slice(1), `${key}\u200B`]);
}

function deep(random: Random): string {
  const depth = random.pick([10, 90, 99, 101, 1000, 20_000]);
  return random.chance(0.5) ? '['.repeat(depth) + ']'.repeat(depth) : '{a: '.repeat(depth) + '}'.repeat(depth);
}

function aliased(text: string, random: Random): string {
  const bomb = Array.from({ length: random.pick([3, 10, 40]) }, (_, index) => `  a${index + 1}: &a${index + 1} [*a${index}, *a${index}]\n`);
  return random.pick([
    `${text}shared:\n  a0: &a0 [x, x]\n${bomb.join('')}`,
    text.replace(/^metadata:/m, 'metadata: &everything').concat('again: *everything\n'),
    `${text}again: &itself\n  more: *itself\n`,
    `${text}one: &one [x]\nmany: [${'*one,'.repeat(random.pick([5, 500, 20_000]))}]\n`,
    `${text}again: *nowhere\n`,
    `${text}base: &base {a: b}\nmerged: {<<: *base, c: d}\n`,
  ]);
}

function oddText(text: string, random: Random): string | Uint8Array {
  const at = random.below(text.length);
  if (random.chance(0.7)) return text.slice(0, at) + random.pick(CHARACTERS) + text.slice(at);
  return Buffer.concat([Buffer.from(text.slice(0, at)), Buffer.from(random.pick(INVALID_BYTES)), Buffer.from(text.slice(at))]);
}

function oddString(value: string, random: Random): string {
  const at = random.below(value.length + 1);
  return random.pick([
    value.slice(0, at) + random.pick(CHARACTERS) + value.slice(at),
    value.toUpperCase(),
    `${value}${random.pick(['/', '.', '..', '//', '*', '(', '[a-', '\\', '%2f', ' ', '\n', "'", '"', '$(x)', '{{x}}'])}`,
    value.repeat(1 + random.below(300)),
    '',
  ]);
}

function flipped(text: string, random: Random): Uint8Array {
  const bytes = Buffer.from(text);
  for (let count = 1 + random.below(6); count > 0; count--) {
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  }
  return bytes;
}

function withLine(text: string, random: Random, change: (line: string) => string): string {
  const lines = text.trimEnd().split('\n');
  const at = random.below(lines.length);
  return `${lines.map((line, index) => (index === at ? change(line) : line)).join('\n')}\n`;
}

function reindented(line: string, random: Random): string {
  return random.pick([
    `\t${line}`,
    ` ${line}`,
    line.trimStart(),
    line.slice(1),
    `${line}\r`,
    `${line} `,
    `- ${line}`,
    `? ${line}`,
    `${line}: x`,
  ]);
}

function variant(random: Random): string {
  const structure = new Structure(asLastApplied(random.pick(CORPUS), random), random);
  if (random.chance(0.3)) structure.replace(() => structuredClone(random.pick(WRONG_VALUES)));
  return structure.print();
}

function oversized(text: string, random: Random): string {
  if (random.chance(0.02)) return `${text}# ${'x'.repeat(9 * MEGABYTE)}\n`;
  return random.pick([
    `${text}again: "${'x'.repeat(random.pick([1, 64, 512]) * 1024)}"\n`,
    `${text}again:\n${'- {a: 1}\n'.repeat(random.pick([100, 5000]))}`,
    `${text}${'x'.repeat(100_000)}: y\n`,
    text.replace(
      'paths:\n',
      `paths:\n${'      - {path: /x, pathType: Prefix, backend: {service: {name: mutant, port: {number: 80}}}}\n'.repeat(200)}`,
    ),
    `${text}${'\n'.repeat(100_000)}`,
  ]);
}
