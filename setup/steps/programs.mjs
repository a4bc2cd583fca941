import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { runCommand } from '../commands.mjs';
import { CommandError, SetupError } from '../errors.mjs';

const SOURCE_SUFFIX = '.bpf.c';
const PROGRAMS = 'bpf/programs';
/** What writes the codecs. */
const GENERATOR = ['bpf/libbpf-ts/btf', 'bpf/libbpf-ts/bin'];
const STAMPS = 'programs.json';
/** Headers of the kernel's interface for a machine are in a folder of their own on Debian. */
const MACHINE_HEADERS = `/usr/include/${{ x64: 'x86_64', arm64: 'aarch64' }[process.arch]}-linux-gnu`;
/** The instructions of Linux 5.10, which every kernel has that has what the programs need. */
const FLAGS = ['-O2', '-g', '-Wall', '-Wextra', '-Werror', '-target', 'bpf', '-mcpu=v3', `-I${MACHINE_HEADERS}`];

/**
 * Compiles each eBPF program, `bpf/programs/NAME.bpf.c` to `gen/NAME.bpf.o` beside it, and writes codecs for its maps to
 * `bpf/datapath/gen/NAME.ts`, where that is not already made from the same sources. Elsewhere than on Linux there is nothing to compile with.
 * @param {Pick<import('../setup.mjs').Setup, 'root' | 'folder'>} setup
 * @param {(phase: string) => void} report
 * @returns {Promise<import('../progress.mjs').Outcome>}
 * @throws {SetupError} `programs`, with what the compiler said; those that compile are made all the same
 */
export async function compilePrograms({ root, folder }, report) {
  if (process.platform !== 'linux') return { changed: false, detail: 'only on Linux' };
  const place = { root, objects: join(root, PROGRAMS, 'gen'), codecs: join(root, 'bpf/datapath/gen'), node: join(folder, 'node') };
  for (const path of [place.objects, place.codecs]) mkdirSync(path, { recursive: true });
  const shared = await sharedHash(root);
  const stamps = readStamps(place.objects);
  const names = listFiles(root, PROGRAMS, SOURCE_SUFFIX).map((path) => basename(path, SOURCE_SUFFIX));
  const wanted = Object.fromEntries(names.map((name) => [name, hashOf([sourceOf(place, name)], shared)]));
  const gone = Object.keys(stamps).filter((name) => !Object.hasOwn(wanted, name));
  for (const name of gone) removeProgram(place, name);
  const stale = names.filter(
    (name) => stamps[name] !== wanted[name] || !existsSync(objectOf(place, name)) || !existsSync(codecsOf(place, name)),
  );
  const errors = [];
  for (const name of stale) {
    report(name);
    try {
      await compileProgram(place, name);
      stamps[name] = wanted[name];
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      errors.push(error);
    }
  }
  for (const name of gone) delete stamps[name];
  if (stale.length + gone.length > 0) writeInPlace(join(place.objects, STAMPS), `${JSON.stringify(stamps, undefined, 2)}\n`);
  if (errors.length > 0) throw new SetupError('programs', errors.map(({ message }) => message).join('\n'), { cause: errors[0] });
  return { changed: stale.length + gone.length > 0 };
}

// Each file takes its place at once: who loads it meanwhile gets the old one or the new one.
async function compileProgram(place, name) {
  const object = `${objectOf(place, name)}.new`;
  const codecs = `${codecsOf(place, name)}.new`;
  try {
    await runCommand('clang', [...FLAGS, '-c', sourceOf(place, name), '-o', object], { cwd: place.root });
    await runCommand(place.node, [join(place.root, 'bpf/libbpf-ts/bin/libbpf-ts.ts'), 'types', object, '--output', codecs]);
    renameSync(object, objectOf(place, name));
    renameSync(codecs, codecsOf(place, name));
  } finally {
    for (const path of [object, codecs]) rmSync(path, { force: true });
  }
}

function removeProgram(place, name) {
  for (const path of [objectOf(place, name), codecsOf(place, name)]) rmSync(path, { force: true });
}

const sourceOf = ({ root }, name) => join(root, PROGRAMS, `${name}${SOURCE_SUFFIX}`);
const objectOf = ({ objects }, name) => join(objects, `${name}.bpf.o`);
const codecsOf = ({ codecs }, name) => join(codecs, `${name}.ts`);

/** Of all that every program is made with: a change in any header compiles all of them. */
async function sharedHash(root) {
  const generator = GENERATOR.flatMap((folder) => listFiles(root, folder, '.ts')).filter((path) => !path.endsWith('.test.ts'));
  const compiler = await runCommand('clang', ['--version']);
  return hashOf([...listFiles(root, PROGRAMS, '.h'), ...generator], [compiler, ...FLAGS].join('\n'));
}

/** Paths, in an order that is always the same. */
function listFiles(root, folder, suffix) {
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith(suffix));
  return names.sort().map((name) => join(root, folder, name));
}

function hashOf(files, start) {
  const hash = createHash('sha256').update(start);
  for (const file of files) hash.update(`\0${basename(file)}\0`).update(readFileSync(file));
  return hash.digest('hex');
}

/** @returns {Record<string, string>} by program, the hash of what it was made from */
function readStamps(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, STAMPS), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return {};
    throw error;
  }
}

function writeInPlace(path, content) {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}
