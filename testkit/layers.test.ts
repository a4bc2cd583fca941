import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

// The real compiler options of every layer, over a tree in which a layer holds nothing but imports: one file for each that it
// is allowed and one for each that it is not.

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const PROTOS = '@sluice/envoy-protos/registry.js';
/** "not under rootDir", "not listed in the project", "is not a module" (see forbidden-import.d.ts). */
const REFUSALS = ['TS6059', 'TS6307', 'TS2306'];
/** Layers that must not know Envoy's types. */
const WITHOUT_PROTOS = [
  'bpf/libbpf-ts',
  'bpf/datapath',
  'model',
  'yaml',
  'collection',
  'settings',
  'pki',
  'kube',
  'regex',
  'l7-filters/http',
  'l7-filters/tls',
  'ingress-controller',
  'policy',
  'service-translation',
];

interface Project {
  readonly include?: readonly string[];
  readonly references?: readonly { readonly path: string }[];
}

interface Import {
  readonly layer: string;
  readonly target: string;
  readonly specifier: string;
  /** Relative to the tree. */
  readonly file: string;
}

const layers = globSync('**/tsconfig.json', { cwd: ROOT, exclude: ['node_modules', '.build', '.setup', '**/node_modules', '**/testdata'] })
  .map((path) => dirname(path))
  .filter((layer) => layer !== '.')
  .sort();
const projects = new Map(layers.map((layer) => [layer, readProject(join(ROOT, layer, 'tsconfig.json'))]));
const { allowed, forbidden } = listImports();

describe('layers', () => {
  let tree = '';
  /** The compiler's error codes by file. */
  let errors: ReadonlyMap<string, readonly string[]>;

  before(() => {
    tree = mkdtempSync(join(tmpdir(), 'sluice-layers-'));
    writeTree(tree);
    errors = compile(tree);
  });
  after(() => rmSync(tree, { recursive: true, force: true }));

  test('every layer is type-checked by the whole build', () => {
    const built = referencesOf('.', readProject(join(ROOT, 'tsconfig.json')));
    assert.deepEqual(
      layers.filter((layer) => !built.includes(layer)),
      [],
    );
  });

  for (const { layer, target, file } of forbidden) {
    test(`${layer} must not import ${target}`, () => {
      const found = errors.get(file) ?? [];
      assert.ok(
        found.some((code) => REFUSALS.includes(code)),
        `the compiler accepts it (errors: ${found.join(', ') || 'none'})`,
      );
    });
  }

  test('every allowed import compiles', () => {
    const refused = allowed.filter(({ file }) => errors.has(file)).map(({ file }) => `${file}: ${errors.get(file)?.join(', ')}`);
    assert.ok(allowed.length > 0);
    assert.deepEqual(refused, []);
  });

  test('nothing but the forbidden imports is refused', () => {
    const expected = new Set(forbidden.map(({ file }) => file));
    assert.deepEqual(
      [...errors.keys()].filter((file) => !expected.has(file)),
      [],
    );
  });
});

function listImports(): { allowed: readonly Import[]; forbidden: readonly Import[] } {
  const allowed: Import[] = [];
  const forbidden: Import[] = [];
  for (const layer of projects.keys()) {
    const references = reachableFrom(layer);
    const add = (target: string, specifier: string, isAllowed: boolean) => {
      const name = `${isAllowed ? 'allowed' : 'forbidden'}-${target.replaceAll(/[^a-z0-9]+/g, '-')}.ts`;
      (isAllowed ? allowed : forbidden).push({ layer, target, specifier, file: join(layer, name) });
    };
    for (const target of layers) {
      if (target === layer) continue;
      const specifier = relative(layer, join(target, 'probe.ts'));
      add(target, specifier.startsWith('.') ? specifier : `./${specifier}`, references.includes(target));
    }
    if (references.includes('xds-server/proto')) add(PROTOS, PROTOS, true);
    if (WITHOUT_PROTOS.includes(layer)) add(PROTOS, PROTOS, false);
    if (layer === 'model') for (const specifier of ['node:fs', 'zod', '@bufbuild/protobuf']) add(specifier, specifier, false);
    if (layer === 'kube') add('zod', 'zod', true);
  }
  return { allowed, forbidden };
}

function writeTree(tree: string): void {
  for (const name of ['package.json', 'tsconfig.base.json', 'forbidden-import.d.ts']) cpSync(join(ROOT, name), join(tree, name));
  writeFileSync(join(tree, 'tsconfig.json'), JSON.stringify({ files: [], references: layers.map((path) => ({ path })) }));
  for (const [layer, project] of projects) {
    mkdirSync(join(tree, layer), { recursive: true });
    // A layer that lists its files would not see those of this test.
    writeFileSync(join(tree, layer, 'tsconfig.json'), JSON.stringify({ ...project, include: ['**/*.ts'] }));
    writeFileSync(join(tree, layer, 'probe.ts'), 'export const probe = 1;\n');
  }
  cpSync(join(ROOT, 'xds-server/proto/package.json'), join(tree, 'xds-server/proto/package.json'));
  writeFileSync(join(tree, 'xds-server/proto/registry.ts'), 'export const probe = 1;\n');
  for (const { file, specifier } of [...allowed, ...forbidden]) writeFileSync(join(tree, file), `export * from '${specifier}';\n`);
  linkPackages(tree);
}

/** The installed packages, but the workspace's own from the tree. */
function linkPackages(tree: string): void {
  mkdirSync(join(tree, 'node_modules/@sluice'), { recursive: true });
  symlinkSync(join(tree, 'xds-server/proto'), join(tree, 'node_modules/@sluice/envoy-protos'));
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (!name.startsWith('.') && name !== '@sluice') symlinkSync(join(ROOT, 'node_modules', name), join(tree, 'node_modules', name));
  }
}

function compile(tree: string): Map<string, string[]> {
  const { stdout } = spawnSync(process.execPath, [TSC, '-b', '--pretty', 'false'], { cwd: tree, encoding: 'utf8' });
  const errors = new Map<string, string[]>();
  for (const line of stdout.split('\n')) {
    const [, file, code] = /^(\S+?)\(\d+,\d+\): error (TS\d+)/.exec(line) ?? [];
    if (file && code) errors.set(file, [...(errors.get(file) ?? []), code]);
  }
  return errors;
}

/** The compiler lets a layer see what the layers that it references reference, too. */
function reachableFrom(layer: string, reached = new Set<string>()): readonly string[] {
  for (const next of referencesOf(layer, readProject(join(ROOT, layer, 'tsconfig.json')))) {
    if (reached.has(next)) continue;
    reached.add(next);
    reachableFrom(next, reached);
  }
  return [...reached];
}

function referencesOf(layer: string, { references = [] }: Project): string[] {
  return references.map(({ path }) => join(layer, path));
}

function readProject(path: string): Project {
  return JSON.parse(readFileSync(path, 'utf8'));
}
