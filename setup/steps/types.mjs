import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listProtos, PROTOS_FOLDER } from '../protos/sources.mjs';
import { readEnvoyVersion } from './envoy.mjs';

/** What makes the types; a change in any of it makes them anew. */
const GENERATOR = ['../protos/extract.mjs', '../protos/compile.mjs', '../protos/generate.mjs'];
const PACKAGES = ['@bufbuild/protobuf', '@bufbuild/protoc-gen-es', '@bufbuild/buf'];
const STAMP = 'envoy.json';

/**
 * @typedef {object} Stamp what the types were generated from; kept in their folder
 * @property {string} version of Envoy
 * @property {string} sha256 of the binary
 * @property {number} size of the binary, in bytes
 * @property {number} modified when the binary was last modified, in milliseconds
 * @property {string} generator hash of what generates, and of this project's own messages
 */

/**
 * Generates the package of Envoy's types from the binary at `.setup/envoy`, and beside them those of this project's messages, where it is not
 * already made from these.
 * @param {import('../setup.mjs').Setup} setup
 * @param {(phase: string) => void} report
 * @returns {Promise<import('../progress.mjs').Outcome>}
 */
export async function generateEnvoyTypes({ root, folder }, report) {
  const binary = realpathSync(join(folder, 'envoy'));
  const output = join(root, 'xds-server/proto/gen');
  const { size, mtimeMs } = statSync(binary);
  const generator = generatorHash(root);
  const known = readStamp(output);
  if (known?.generator === generator && known.size === size && known.modified === mtimeMs) return upToDate(known);

  const bytes = readFileSync(binary);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const stamp = { version: await readEnvoyVersion(binary), sha256, size, modified: mtimeMs, generator };
  if (known?.generator === generator && known.sha256 === sha256) {
    writeStamp(output, stamp); // The same binary, copied or touched.
    return upToDate(stamp);
  }
  report('extracting descriptors');
  // Loaded now, since they need packages that the first step installs.
  const { extractDescriptors } = await import('../protos/extract.mjs');
  const { compileProtos } = await import('../protos/compile.mjs');
  const { generateTypes } = await import('../protos/generate.mjs');
  const files = [...extractDescriptors(bytes), ...compileProtos(root)];
  report(`generating from ${files.length}`);
  generateTypes(files, output, { [STAMP]: serialise(stamp) });
  return { changed: true };
}

function upToDate({ version }) {
  return { changed: false, detail: `of ${version}` };
}

function generatorHash(root) {
  const hash = createHash('sha256');
  for (const source of GENERATOR) hash.update(readFileSync(new URL(source, import.meta.url)));
  for (const name of PACKAGES) hash.update(readFileSync(join(root, `node_modules/${name}/package.json`)));
  for (const source of listProtos(root)) hash.update(`\0${source}\0`).update(readFileSync(join(root, PROTOS_FOLDER, source)));
  return hash.digest('hex');
}

/** @returns {Stamp | undefined} undefined where there are no types yet */
function readStamp(output) {
  try {
    return JSON.parse(readFileSync(join(output, STAMP), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function writeStamp(output, stamp) {
  const path = join(output, STAMP);
  writeFileSync(`${path}.new`, serialise(stamp));
  renameSync(`${path}.new`, path);
}

function serialise(stamp) {
  return `${JSON.stringify(stamp, undefined, 2)}\n`;
}
