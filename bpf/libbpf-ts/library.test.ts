import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CompiledPrograms, loads } from './testing/compiled-programs.ts';

const ASK = `
  const { MapType, supportsMapType } = await import(${JSON.stringify(new URL('index.ts', import.meta.url).href)});
  try {
    console.log(supportsMapType(MapType.hash));
  } catch (error) {
    console.log(error.code, error.message);
  }`;

/** What a process says that finds another library, or a file that is none. */
function askWith(source: string | undefined): string {
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-ts-library-'));
  try {
    const library = join(folder, 'libbpf.so.1');
    if (source !== undefined) execFileSync('clang', ['-shared', '-nostdlib', '-x', 'c', '-', '-o', library], { input: source });
    const env = { ...process.env, LD_LIBRARY_PATH: folder };
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', ASK], { encoding: 'utf8', env });
    return stdout + stderr;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('a libbpf that is too old, or none of ours, is refused before it is used', loads(), () => {
  const version = (major: number, minor: number) =>
    `unsigned libbpf_major_version(void) { return ${major}; } unsigned libbpf_minor_version(void) { return ${minor}; }`;
  assert.equal(askWith(undefined), 'true\n');
  assert.equal(askWith(version(1, 0)), 'library-missing libbpf.so.1 on this machine is libbpf 1.0; 1.1 or newer is needed\n');
  assert.match(askWith(version(0, 8)), /^library-missing .* is libbpf 0\.8; /);
  assert.match(askWith('int nothing;'), /^library-missing /);
});

test('without the right to load programs, what the kernel can do is not known', loads(), () => {
  using programs = new CompiledPrograms();
  const script = `
    const { ObjectSpec, supportsHelper, supportsMapType, supportsProgramType } = await import(${JSON.stringify(new URL('index.ts', import.meta.url).href)});
    for (const ask of [() => supportsHelper(3, 5), () => supportsProgramType(3), () => supportsMapType(11), () => ObjectSpec.open(${JSON.stringify(programs.compile('maps'))}).load()]) {
      await Promise.resolve().then(ask).catch(({ code, errnoName, missing }) => console.log(code, errnoName, missing.length));
    }`;
  const node = [process.execPath, '--input-type=module', '--eval', script];
  const { stdout, stderr } = spawnSync('setpriv', ['--bounding-set', '-all', '--inh-caps', '-all', ...node], { encoding: 'utf8' });
  assert.equal(stderr, '');
  assert.equal(stdout, `${'probe-failed EPERM 0\n'.repeat(3)}load-failed EPERM 0\n`);
});
