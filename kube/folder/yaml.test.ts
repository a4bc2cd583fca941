import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LineIndex, YamlPlaces } from '../../yaml/index.ts';
import { aliasedValues } from './aliased-values.ts';
import { DEFAULT_LIMITS } from './options.ts';
import { splitDocuments } from './split.ts';
import { decodeYaml } from './yaml.ts';

const SPLITS: readonly [what: string, text: string, documents: readonly string[]][] = [
  ['one', 'a: 1\n', ['a: 1\n']],
  ['two', 'a: 1\n---\nb: 2\n', ['a: 1\n', '---\nb: 2\n']],
  ['a separator first', '---\na: 1\n', ['---\na: 1\n']],
  ['a comment after the separator', 'a: 1\n--- # next\nb: 2\n', ['a: 1\n', '--- # next\nb: 2\n']],
  ['content after the separator', 'a: 1\n--- {b: 2}\n', ['a: 1\n', '--- {b: 2}\n']],
  ['a ruler of dashes', 'a: 1\n-----\nb: 2\n', ['a: 1\n', '\nb: 2\n']],
  ['Windows line ends', 'a: 1\r\n---\r\nb: 2\r\n', ['a: 1\r\n', '---\r\nb: 2\r\n']],
  ['no separator: a text that begins with dashes', 'a: 1\n---b\n', ['a: 1\n---b\n']],
  ['no separator: PEM', 'a: |\n  -----BEGIN\n-----BEGIN X-----\n', ['a: |\n  -----BEGIN\n-----BEGIN X-----\n']],
  ['no separator: indented', 'a: |\n  ---\n', ['a: |\n  ---\n']],
  ['separators only', '---\n---\n---', ['---\n', '---\n', '---']],
  ['nothing', '', []],
];

describe('splitting', () => {
  for (const [what, text, documents] of SPLITS) {
    test(what, () => {
      const pieces = splitDocuments(text, 100);
      assert.deepEqual(
        pieces.map((piece) => piece.text),
        documents,
      );
      for (const piece of pieces) assert.equal(text.slice(piece.start, piece.start + piece.text.length), piece.text);
    });
  }

  test('stops at the limit', () => assert.equal(splitDocuments('---\n'.repeat(100), 10).length, 10));
});

const VALUES: readonly [text: string, value: unknown][] = [
  ['{"a": [1, "x", null, true]}', { a: [1, 'x', null, true] }],
  ['{\n\t"a": {\n\t\t"b": 1\n\t}\n}', { a: { b: 1 } }],
  ['a: yes', { a: 'yes' }],
  ['a: 2024-01-01T00:00:00Z', { a: '2024-01-01T00:00:00Z' }],
  ['%YAML 1.1\n---\na: b', { a: 'b' }],
  ['x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}', { x: { a: 1, b: 2 }, y: { a: 1, b: 3 } }],
  ['x: &x [1]\ny: *x', { x: [1], y: [1] }],
  ['a: "😀 \\ud83d\\ude00 \\u00e9"', { a: '😀 😀 é' }],
];

describe('decoding', () => {
  for (const [text, value] of VALUES) test(text, () => assert.deepEqual(decodeYaml(text, DEFAULT_LIMITS), { result: 'value', value }));
  for (const text of ['', '# only a comment\n', '---\n', '---\n# x\n...\n', 'null', '~']) {
    test(`${JSON.stringify(text)} is empty`, () => assert.deepEqual(decodeYaml(text, DEFAULT_LIMITS), { result: 'empty' }));
  }
});

const bomb = ['a0: &a0 [x, x]', ...Array.from({ length: 30 }, (_, index) => `a${index + 1}: &a${index + 1} [*a${index}, *a${index}]`)].join(
  '\n',
);

const REFUSED: readonly [what: string, text: string, code: string, message: RegExp][] = [
  ['a key twice', 'a: 1\nb: 2\na: 3', 'InvalidYaml', /a key stands twice/],
  ['a tab as indentation', 'a:\n\tb: 1', 'InvalidYaml', /tab/],
  ['a list that does not end', '[1, 2', 'InvalidYaml', /end of the stream/],
  ['a NUL', 'a: \0', 'InvalidYaml', /NUL/],
  ['a control character', 'a: "\u0001"', 'InvalidYaml', /control character/],
  ['a tag that is not known', 'a: !hunter2 b', 'InvalidYaml', /tag that is not known/],
  ['an alias without anchor', 'password: *hunter2', 'InvalidYaml', /no anchor/],
  ['a list as a key', '? [1]\n: 2', 'InvalidYaml', /a key is a list/],
  ['a second document', 'a: 1\n...\nb: 2', 'InvalidYaml', /more follows/],
  ['an alias in what it repeats', 'a: &a\n  b: *a', 'InvalidYaml', /inside what it repeats/],
  ['too deep', '['.repeat(101), 'TooLarge', /deeper than 100/],
  ['a bomb of aliases', bomb, 'TooLarge', /more than 10000 values/],
  ['very many aliases', `a: &a x\nb:\n${'- *a\n'.repeat(10_001)}`, 'TooLarge', /more than 10000 aliases/],
];

describe('refusing', () => {
  for (const [what, text, code, message] of REFUSED) {
    test(what, () => {
      const decoded = decodeYaml(text, DEFAULT_LIMITS);
      assert.ok(decoded.result === 'wrong', JSON.stringify(decoded));
      assert.equal(decoded.code, code);
      assert.match(decoded.message, message);
      assert.doesNotMatch(decoded.message, /hunter2/);
    });
  }
});

test('values that aliases add are counted without being made', () => {
  const shared = [1, 2];
  assert.equal(aliasedValues({ a: [1, { b: 2 }] }), 0);
  assert.equal(aliasedValues([shared, shared]), 3);
  const endless: unknown[] = [];
  endless.push(endless);
  assert.equal(aliasedValues(endless), 'endless');
});

const PLACED = `metadata:
  name: "a"
spec: &s
- {host: b, "x": [1, 2]}
-
  k: *s
? q
: z
`;

const PLACES: readonly [path: readonly (string | number)[], place: string][] = [
  [[], '1:1'],
  [['metadata'], '1:1'],
  [['metadata', 'name'], '2:3'],
  [['metadata', 'absent'], '1:1'],
  [['spec', 0], '4:3'],
  [['spec', 0, 'host'], '4:4'],
  [['spec', 0, 'x', 1], '4:22'],
  [['spec', 1, 'k', 0, 'host'], '6:3'],
  [['spec', 7, 'k'], '3:1'],
  [['q'], '7:3'],
  [['absent', 'more'], '1:1'],
];

describe('places', () => {
  for (const [path, place] of PLACES) {
    test(`[${path.join(', ')}] at ${place}`, () => {
      const { line, column } = new LineIndex(PLACED).placeOf(new YamlPlaces(PLACED).offsetOf(path));
      assert.equal(`${line}:${column}`, place);
    });
  }
});
