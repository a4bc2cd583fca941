// npm run images -- [--target T]… [--out DIR]: builds the images' roots, and tells their sizes.
import { lstatSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildImages } from './build-image.ts';
import { DockerfileError } from './dockerfile.ts';
import { ImageError, runTool } from './plain-root.ts';

const TARGETS = ['controller', 'agent', 'enforcer', 'envoy'];

try {
  await main();
} catch (error) {
  if (!(error instanceof ImageError || error instanceof DockerfileError)) throw error;
  console.error(`images: ${error.message}`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { target: { type: 'string', multiple: true, default: TARGETS }, out: { type: 'string' } } });
  const began = performance.now();
  const images = await buildImages(values.target, { report: (what) => console.error(what) });
  for (const [name, { root, config }] of images) {
    const place = values.out === undefined ? root : await copyOut(join(values.out, name), root, config);
    console.log(`${name.padEnd(12)}${(sizeOf(root) / 1e6).toFixed(0).padStart(5)} MB  ${place}`);
  }
  console.error(`built in ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

async function copyOut(folder: string, root: string, config: unknown): Promise<string> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'root'), { recursive: true });
  await runTool('cp', ['-a', '--reflink=auto', `${root}/.`, join(folder, 'root')]);
  writeFileSync(join(folder, 'config.json'), `${JSON.stringify(config, undefined, 2)}\n`);
  return folder;
}

function sizeOf(path: string): number {
  const stat = lstatSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}
