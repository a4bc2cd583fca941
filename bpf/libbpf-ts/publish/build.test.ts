import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as sources from '../index.ts';
import { CompiledPrograms, loads } from '../testing/compiled-programs.ts';

const BUILD = fileURLToPath(new URL('build.ts', import.meta.url));
const COMMAND = 'node_modules/.bin/libbpf-ts';
const { resolve } = createRequire(import.meta.url);

const USE = `
import { type BpfError, ObjectSpec, u32, u64 } from 'libbpf-ts';

using spec = ObjectSpec.open(process.argv[2] ?? '');
spec.map('counts').maxEntries = 4;
using loaded = await spec.load();
const counts = loaded.map('counts', u32, u64);
counts.set(1, 2n);
await counts.setAll([[2, 3n]]);
const read: bigint | undefined = counts.get(1);
let refused: BpfError['code'] | undefined;
try {
  loaded.map('counts', u64, u64);
} catch (error) {
  refused = (error as BpfError).code;
}
console.log(String(read), [...counts.entries()].length, refused);
`;

describe('the package as it is published', () => {
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-ts-project-'));
  // Commands begin with a search for `node`.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` };
  const run = (command: string, ...args: readonly string[]) => execFileSync(command, args, { cwd: folder, encoding: 'utf8', env });
  after(() => rmSync(folder, { recursive: true }));
  before(() => {
    execFileSync(process.execPath, [BUILD, join(folder, 'built')]);
    const [packed] = JSON.parse(run('npm', 'pack', './built', '--json', '--silent'));
    // What it depends on is that of this checkout, so that nothing is downloaded.
    const koffi = `file:${dirname(resolve('koffi'))}`;
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', overrides: { koffi } }));
    run('npm', 'install', '--offline', '--ignore-scripts', '--silent', `./${packed.filename}`);
  });

  test('has no sources that Node would have to run, and no tests', () => {
    const files = readdirSync(join(folder, 'node_modules/libbpf-ts'), { recursive: true, encoding: 'utf8' });
    assert.deepEqual(
      files.filter((file) => /\.ts$/.test(file) && !file.endsWith('.d.ts')),
      [],
    );
    assert.deepEqual(
      files.filter((file) => /test|bench|publish/.test(file)),
      [],
    );
    for (const file of ['README.md', 'LICENSE', 'index.js', 'index.d.ts', 'examples/count-packets.js', 'examples/count-packets.bpf.c'])
      assert.ok(files.includes(file), file);
    for (const file of files.filter((each) => each.endsWith('.d.ts')))
      assert.doesNotMatch(readFileSync(join(folder, 'node_modules/libbpf-ts', file), 'utf8'), /@internal/, file);
  });

  test('exports what its sources export', () => {
    const script = 'import * as all from "libbpf-ts"; console.log(JSON.stringify(Object.keys(all).sort()))';
    assert.deepEqual(JSON.parse(run(process.execPath, '--input-type=module', '--eval', script)), Object.keys(sources).sort());
  });

  test('has types that a strict project compiles against', () => {
    mkdirSync(join(folder, 'types'));
    writeFileSync(join(folder, 'types/use.ts'), USE);
    writeFileSync(join(folder, 'types/wrong.ts'), USE.replace('counts.set(1, 2n)', 'counts.set(1, 2)'));
    const compile = (file: string) => {
      const options = ['--noEmit', '--strict', '--ignoreConfig', '--target', 'esnext', '--module', 'nodenext', '--types', 'node'];
      const typeRoots = ['--typeRoots', dirname(dirname(resolve('@types/node/package.json')))];
      const compiler = join(dirname(resolve('typescript/package.json')), 'bin/tsc');
      return spawnSync(process.execPath, [compiler, ...options, ...typeRoots, file], { cwd: folder, encoding: 'utf8' });
    };
    assert.equal(compile('types/use.ts').stdout, '');
    assert.match(compile('types/wrong.ts').stdout, /^types\/wrong\.ts\(8,15\): error TS2345: .*'number'.*'bigint'/);
  });

  test('has a command', () => {
    assert.match(run(COMMAND, '--help'), /usage: libbpf-ts types OBJECT/);
  });

  describe('on a machine that loads programs', loads(), () => {
    const programs = new CompiledPrograms();
    after(() => programs[Symbol.dispose]());

    test('loads an object, and writes the codecs of another', () => {
      writeFileSync(join(folder, 'use.ts'), USE);
      assert.equal(run(process.execPath, 'use.ts', programs.compile('maps')), '2 2 layout-mismatch\n');
      assert.match(run(COMMAND, 'types', programs.compile('layouts')), /^export const flow_key = struct\(/m);
    });
  });
});
