// node publish/build.ts [FOLDER]: makes the package as it is published, since Node runs no TypeScript below node_modules. The folder must not be there;
// default: dist, which is made anew.

import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
/** What is published as it is. */
const AS_IT_IS = ['README.md', 'LICENSE', 'examples/*.bpf.c'];
const COMMAND = 'bin/libbpf-ts.js';

const [, , wanted] = process.argv;
const folder = wanted === undefined ? join(PACKAGE, 'dist') : resolve(wanted);
if (wanted === undefined) rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
compile(folder);
for (const path of globSync(AS_IT_IS, { cwd: PACKAGE })) cpSync(join(PACKAGE, path), join(folder, path));
// With a program of npm's or without.
chmodSync(join(folder, COMMAND), 0o755);
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(publishedManifest(), undefined, 2)}\n`);

/** What is not for the sources only, and where things are once they are compiled. */
function publishedManifest(): Readonly<Record<string, unknown>> {
  const { scripts: _, ...manifest } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
  const engines = { node: '>=24' };
  return { ...manifest, engines, bin: { 'libbpf-ts': COMMAND }, exports: { types: './index.d.ts', default: './index.js' } };
}

function compile(outDir: string): void {
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  const args = [compiler, '--project', join(PACKAGE, 'publish/tsconfig.build.json'), '--outDir', outDir];
  const { status, error } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
