import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatSettingsProblem, loadSettings, parseSettings } from './load.ts';
import { DEFAULT_SETTINGS } from './settings.ts';

function problemsOf(text: string): readonly string[] {
  const result = parseSettings(text, 's.yaml');
  return 'problems' in result ? result.problems.map(formatSettingsProblem) : [];
}

for (const text of ['', '# nothing\n', '---\n', 'null\n', '{}\n', 'http: {}\n']) {
  test(`${JSON.stringify(text)} means the defaults`, () => {
    assert.deepEqual(parseSettings(text, 's.yaml'), { settings: DEFAULT_SETTINGS });
  });
}

test('what is written is taken, durations in milliseconds, and the rest has its default', () => {
  const result = parseSettings('ingress:\n  requestTimeout: 1m30s\nupstream:\n  outlierDetection: false\n', 's.yaml');
  assert.ok('settings' in result);
  assert.equal(result.settings.ingress.requestTimeout, 90_000);
  assert.equal(result.settings.upstream.outlierDetection, false);
  assert.deepEqual(result.settings.http, DEFAULT_SETTINGS.http);
});

const CASES: readonly (readonly [what: string, text: string, expected: readonly RegExp[]])[] = [
  ['an unknown section', 'http: {}\nhtpp: {}\n', [/^s\.yaml:2:1 htpp: no such setting$/]],
  ['an unknown setting', 'http:\n  acessLog: json\n', [/^s\.yaml:2:3 http\.acessLog: no such setting$/]],
  ['a value outside of its list', 'http:\n  accessLog: yes\n', [/^s\.yaml:2:3 http\.accessLog: .*"off"/]],
  ['a duration without a unit', 'ingress:\n  requestTimeout: "30"\n', [/^s\.yaml:2:3 ingress\.requestTimeout: must be a duration/]],
  [
    'something missing inside of an optional section',
    'upstream:\n  retry:\n    attempts: 3\n',
    [/^s\.yaml:2:3 upstream\.retry\.on: .*expected array/],
  ],
  [
    'the right form of several',
    'upstream:\n  outlierDetection:\n    interval: soon\n',
    [/^s\.yaml:3:5 upstream\.outlierDetection\.interval: must be a duration/],
  ],
  ['no form at all', 'upstream:\n  outlierDetection: true\n', [/^s\.yaml:2:3 upstream\.outlierDetection: /]],
  ['a list as the file', '- a\n', [/^s\.yaml:1:1: .*expected object/]],
  [
    'an item of a list',
    'upstream:\n  retry:\n    on:\n      - 5xx\n      - 6xx\n',
    [/^s\.yaml:5:9 upstream\.retry\.on\.1: .*expected one of "5xx"/],
  ],
  [
    'everything at once, in the order of the file',
    'http:\n  xffTrustedHops: -1\nenvoy:\n  logLevel: loud\n',
    [/^s\.yaml:2:3/, /^s\.yaml:4:3/],
  ],
  ...['http://c:99999', 'http://[::::]:1', 'http://1.2.3.256:80', 'http://c:0', 'http://c', 'tcp://c:1', 'http://ann:x@c:1'].map(
    (endpoint) =>
      [
        `${endpoint} for a collector`,
        `tracing:\n  collector:\n    endpoint: ${JSON.stringify(endpoint)}\n`,
        [/^s\.yaml:3:5 tracing\.collector\.endpoint: must be http:\/\/ or https:\/\//],
      ] as const,
  ),
  [
    'a header for Envoy to send by gRPC that it takes for a format',
    'tracing:\n  collector:\n    headers:\n      x-token: Basic%20abc\nflows:\n  export:\n    collector:\n      headers:\n        x-token: Basic%20abc\n',
    [/^s\.yaml:4:7 tracing\.collector\.headers\.x-token: with grpc, Envoy can send no "%"$/],
  ],
  ...(
    [
      ['x-token', 'abc\n', /must be printable/],
      ['x-token', 'abc\u0000', /must be printable/],
      ['x-token', 'ä', /must be printable/],
      ['', 'abc', /no name of a header/],
      [':path', 'abc', /no name of a header/],
      ['x y', 'abc', /no name of a header/],
      ['Content-Type', 'abc', /nobody else may set/],
      ['grpc-timeout', '1S', /nobody else may set/],
      ['x-token-bin', 'abc', /nobody else may set/],
    ] as const
  ).map(
    ([name, value, expected]) =>
      [
        `the header ${JSON.stringify({ [name]: value })} for a collector`,
        `flows:\n  export:\n    collector:\n      headers: ${JSON.stringify({ [name]: value })}\n`,
        [expected],
      ] as const,
  ),
  ['text that is not YAML', 'http: [1\n', [/^s\.yaml:\d+:\d+: not YAML: /]],
  ['two documents', 'http: {}\n---\nhttp: {}\n', [/more than one YAML document$/]],
  ['a duplicate key', 'http: {}\nhttp: {}\n', [/^s\.yaml:2:1: not YAML: duplicated mapping key/]],
  ['an alias', 'http: &a {}\nenvoy: *a\n', [/^s\.yaml:2:\d+: not YAML: /]],
];
for (const [what, text, expected] of CASES) {
  test(`is told about with its place: ${what}`, () => {
    const problems = problemsOf(text);
    assert.equal(problems.length, expected.length, problems.join('\n'));
    for (const [index, pattern] of expected.entries()) assert.match(problems[index] ?? '', pattern);
  });
}

test('reads a file, and says which one cannot be read', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-settings-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'sluice.yaml');
  await writeFile(file, 'envoy:\n  concurrency: 3\n');
  const read = await loadSettings(file);
  assert.ok('settings' in read);
  assert.equal(read.settings.envoy.concurrency, 3);
  const missing = await loadSettings(`${file}.not`);
  assert.ok('problems' in missing);
  assert.match(missing.problems.map(formatSettingsProblem).join(), /sluice\.yaml\.not:1:1: cannot be read: ENOENT/);
  assert.deepEqual(await loadSettings(undefined), { settings: DEFAULT_SETTINGS });
});
