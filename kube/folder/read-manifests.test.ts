import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { Diagnostic } from '../../model/index.ts';
import { documents, serviceYaml } from '../../testkit/manifests.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { FolderError, type FolderLimits, readManifests } from './index.ts';

type Files = Readonly<Record<string, string | Uint8Array>>;

async function read(files: Files, limits: Partial<FolderLimits> = {}) {
  using folder = new TemporaryFolder();
  for (const [name, content] of Object.entries(files)) writeFileSync(folder.join(name), content);
  const { objects, diagnostics, locate } = await readManifests([folder.path], limits);
  const within = (text: string) => text.replaceAll(`${folder.path}/`, '');
  return {
    names: objects.map((object) => object.metadata.name),
    findings: diagnostics.map((diagnostic) => within(describeDiagnostic(diagnostic))),
    diagnostics,
    locate,
  };
}

function describeDiagnostic({ code, location, message }: Diagnostic): string {
  return `${location?.file}:${location?.line}:${location?.column} ${code}: ${message}`;
}

const A = serviceYaml('a');
const B = serviceYaml('b');

describe('what is read', () => {
  const cases: readonly [what: string, files: Files, names: readonly string[]][] = [
    [
      'yaml, yml and json',
      { 'a.yaml': A, 'b.yml': B, 'c.json': JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'c' } }) },
      ['c', 'a', 'b'],
    ],
    ['nothing else, and nothing hidden', { 'a.txt': A, 'b.yaml~': A, '.c.yaml': A, '.d.yaml.swp': A, '#e.yaml#': A, '4913': A, f: A }, []],
    ['documents without objects', { 'a.yaml': documents('# nothing\n', '', A, '# end\n') }, ['a']],
    ['a byte order mark, and Windows line ends', { 'a.yaml': `\uFEFF${documents(A, B).replaceAll('\n', '\r\n')}` }, ['a', 'b']],
    ['a List', { 'a.yaml': `apiVersion: v1\nkind: List\nitems:\n${asItems(A, B)}` }, ['a', 'b']],
    [
      'a list of one kind',
      { 'a.yaml': 'apiVersion: v1\nkind: ServiceList\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\n' },
      ['a', 'b'],
    ],
    ['an empty List', { 'a.yaml': 'apiVersion: v1\nkind: List\nitems: null\n' }, []],
    ['kinds of others', { 'a.yaml': 'apiVersion: apps/v1\nkind: Deployment\n---\napiVersion: v1\nkind: ConfigMapList\nitems: [{}]\n' }, []],
    ['an empty file', { 'a.yaml': '' }, []],
  ];
  for (const [what, files, names] of cases) {
    test(what, async () => {
      const result = await read(files);
      assert.deepEqual(result.findings, []);
      assert.deepEqual(result.names, names);
    });
  }
});

function asItems(...texts: readonly string[]): string {
  return texts.map((text) => `- ${text.trimEnd().replaceAll('\n', '\n  ')}\n`).join('');
}

describe('what is wrong leaves its neighbours alone', () => {
  const utf16 = Buffer.concat([Buffer.of(0xff, 0xfe), Buffer.from(A, 'utf16le')]);
  const latin1 = Buffer.concat([Buffer.from(`${A}---\nx: `), Buffer.of(0xe9), Buffer.from(`\n---\n${B}`)]);
  const cases: readonly [
    what: string,
    files: Files,
    limits: Partial<FolderLimits>,
    names: readonly string[],
    findings: readonly string[],
  ][] = [
    [
      'no YAML',
      { 'a.yaml': documents(A, 'a: [1\n', B) },
      {},
      ['a', 'b'],
      ['a.yaml:10:1 InvalidYaml: a document cannot be read: deficient indentation'],
    ],
    [
      'a key twice',
      { 'a.yaml': documents(A, 'a: 1\na: 2\n') },
      {},
      ['a'],
      ['a.yaml:10:1 InvalidYaml: a document cannot be read: a key stands twice in a mapping'],
    ],
    [
      'UTF-16',
      { 'a.yaml': utf16, 'b.yaml': B },
      {},
      ['b'],
      ['a.yaml:1:1 InvalidEncoding: the file is UTF-16 text, which Kubernetes does not read: save it as UTF-8'],
    ],
    ['no UTF-8', { 'a.yaml': latin1 }, {}, ['a', 'b'], ['a.yaml:9:4 InvalidEncoding: a document holds bytes that are not UTF-8']],
    [
      'a NUL',
      { 'a.yaml': documents(A, 'x: \0\n', B) },
      {},
      ['a', 'b'],
      ['a.yaml:9:4 InvalidYaml: a document cannot be read: holds a NUL character'],
    ],
    [
      'a text',
      { 'a.yaml': documents(A, 'hello\n') },
      {},
      ['a'],
      ['a.yaml:9:1 NotAnObject: must be a Kubernetes object, not a single value'],
    ],
    ['a wrong field', { 'a.yaml': documents(serviceYaml('a', 0), B) }, {}, ['b'], ['a.yaml:7:5 InvalidObject: must be at least 1, not 0']],
    [
      'a wrong item',
      { 'a.yaml': `apiVersion: v1\nkind: List\nitems:\n- 5\n${asItems(B)}` },
      {},
      ['b'],
      ['a.yaml:4:3 NotAnObject: must be a Kubernetes object, not a single value'],
    ],
    [
      'an old version',
      { 'a.yaml': `apiVersion: extensions/v1beta1\nkind: Ingress\n---\n${B}` },
      {},
      ['b'],
      ['a.yaml:1:1 UnsupportedVersion: Ingress of "extensions/v1beta1" is not read: use networking.k8s.io/v1'],
    ],
    [
      'a large file',
      { 'a.yaml': `${A}${'#'.repeat(500)}`, 'b.yaml': B },
      { fileBytes: 400 },
      ['b'],
      ['a.yaml:1:1 TooLarge: the file is larger than the 400 bytes that a file may have, so it is not read'],
    ],
    [
      'a large document',
      { 'a.yaml': documents(A, `x: ${'#'.repeat(500)}\n`, B) },
      { documentChars: 400 },
      ['a', 'b'],
      ['a.yaml:8:1 TooLarge: a document is longer than 400 characters'],
    ],
    [
      'very many documents',
      { 'a.yaml': documents(A, B, serviceYaml('c'), serviceYaml('d')) },
      { documents: 2 },
      ['a', 'b'],
      ['a.yaml:16:1 TooLarge: the file has more than 2 documents; those from here on are not read'],
    ],
    [
      'very many values',
      { 'a.yaml': documents(A, `apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {ports: [${'x,'.repeat(500)}]}\n`) },
      { objectValues: 400 },
      ['a'],
      ['a.yaml:9:1 TooLarge: an object holds more than 400 values'],
    ],
    [
      'very many items',
      { 'a.yaml': `apiVersion: v1\nkind: List\nitems:\n${asItems(A, B, A)}` },
      { documents: 2 },
      ['a', 'b'],
      ['a.yaml:18:3 TooLarge: the list has more than 2 items; those from here on are not read'],
    ],
  ];
  for (const [what, files, limits, names, findings] of cases) {
    test(what, async () => {
      const result = await read(files, limits);
      assert.deepEqual(result.names, names);
      assert.deepEqual(result.findings, findings);
    });
  }

  test('a file of 50 MB is refused unread', async () => {
    using folder = new TemporaryFolder();
    writeFileSync(folder.join('b.yaml'), B);
    writeFileSync(folder.join('a.yaml'), A);
    truncateSync(folder.join('a.yaml'), 50_000_000);
    const { objects, diagnostics } = await readManifests([folder.path]);
    assert.deepEqual(
      objects.map((object) => object.metadata.name),
      ['b'],
    );
    assert.deepEqual(
      diagnostics.map(({ code }) => code),
      ['TooLarge'],
    );
  });

  test('no finding about a Secret shows what is in it', async () => {
    const secret = 'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n';
    const { diagnostics } = await read({
      'a.yaml': documents(
        `${secret}data: {a: hunter2!}\n`,
        `${secret}data: {a: *hunter2}\n`,
        `${secret}data: {a: !hunter2 x}\n`,
        `${secret}data: {a: "hunter2\n`,
      ),
    });
    assert.equal(diagnostics.length, 4);
    assert.doesNotMatch(JSON.stringify(diagnostics), /hunter2/);
  });
});

test('of the same object twice the first by file, then position, stands', async () => {
  const result = await read({ 'b.yaml': documents(serviceYaml('x', 3), serviceYaml('x', 4)), 'a.yaml': documents(B, serviceYaml('x', 2)) });
  assert.deepEqual(result.names, ['b', 'x']);
  const message = 'DuplicateObject: stands in a.yaml:9 already, which is what is read';
  assert.deepEqual(result.findings, [`b.yaml:1:1 ${message}`, `b.yaml:9:1 ${message}`]);
});

test('of the same object twice a wrong one gives way to a right one', async () => {
  const result = await read({ 'a.yaml': serviceYaml('x', 0), 'b.yaml': serviceYaml('x', 1) });
  assert.deepEqual(result.names, ['x']);
  assert.deepEqual(
    result.diagnostics.map(({ code }) => code),
    ['InvalidObject'],
  );
});

test('fields are located in the file', async () => {
  const { locate } = await read({ 'a.yaml': documents(A, `apiVersion: v1\nkind: List\nitems:\n${asItems(B)}`) });
  const b = { kind: 'Service', namespace: 'default', name: 'b' };
  const place = locate(b, ['spec', 'ports', 0, 'port']);
  assert.deepEqual([place?.line, place?.column], [18, 7]);
  assert.deepEqual(locate(b, ['spec', 'absent', 5])?.line, 16);
  assert.equal(locate({ ...b, name: 'absent' }, []), undefined);
});

test('single files are read whatever their names are, and only once', async () => {
  using folder = new TemporaryFolder();
  mkdirSync(folder.join('sub'));
  writeFileSync(folder.join('sub', 'a.txt'), A);
  writeFileSync(folder.join('sub', 'b.yaml'), B);
  const { objects, diagnostics } = await readManifests([folder.join('sub', 'a.txt'), folder.join('sub'), `${folder.path}/./sub/b.yaml`]);
  assert.deepEqual(
    objects.map((object) => object.metadata.name),
    ['a', 'b'],
  );
  assert.deepEqual(diagnostics, []);
});

test('what does not exist is an error', async () => {
  using folder = new TemporaryFolder();
  await assert.rejects(readManifests([folder.join('absent')]), (error) => error instanceof FolderError && error.code === 'NotFound');
});

test('links are followed, in circles only once', async () => {
  using folder = new TemporaryFolder();
  mkdirSync(folder.join('real/deep'), { recursive: true });
  writeFileSync(folder.join('real/deep/a.yaml'), A);
  writeFileSync(folder.join('b.txt'), B);
  symlinkSync('../..', folder.join('real/deep/up'));
  symlinkSync('real', folder.join('also-real'));
  symlinkSync('b.txt', folder.join('b.yaml'));
  symlinkSync('nowhere', folder.join('c.yaml'));
  symlinkSync('d.yaml', folder.join('d.yaml'));
  const { objects, diagnostics } = await readManifests([folder.path]);
  assert.deepEqual(
    objects.map((object) => object.metadata.name),
    ['a', 'b'],
  );
  assert.deepEqual(
    diagnostics.map(({ code, message }) => `${code}: ${message}`),
    ['FileUnreadable: the file cannot be read: its symbolic links go in a circle'],
  );
});

test('2,000 files are read, and other work goes on meanwhile', async () => {
  using folder = new TemporaryFolder();
  for (let index = 0; index < 2000; index++) {
    const sub = folder.join(`sub${index % 20}`);
    mkdirSync(sub, { recursive: true });
    writeFileSync(`${sub}/${index}.yaml`, serviceYaml(`s${index}`));
  }
  let turns = 0;
  let done = false;
  const count = () => {
    turns++;
    if (!done) setImmediate(count);
  };
  count();
  const { objects } = await readManifests([folder.path]);
  done = true;
  assert.equal(objects.length, 2000);
  assert.ok(turns > 3, `${turns} turns`);
});
