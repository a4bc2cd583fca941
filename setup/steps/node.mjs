import { join, resolve } from 'node:path';
import { runCommand } from '../commands.mjs';
import { CommandError, SetupError } from '../errors.mjs';
import { pointLink } from '../symlink.mjs';

/** The release line whose type stripping runs the sources. */
const NODE_MAJOR = 24;

/**
 * Points `.setup/node` to the Node that everything is run with: the one from the npm package for this platform, or, where
 * there is none that runs here, the Node that is running, if it is new enough.
 * @param {import('../setup.mjs').Setup} setup
 * @returns {Promise<import('../progress.mjs').Outcome>}
 */
export async function pinNode({ folder }) {
  const packaged = join('..', `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  for (const target of [packaged, process.execPath]) {
    const version = await readVersion(resolve(folder, target));
    if (version === undefined || Number(version.slice(1).split('.')[0]) < NODE_MAJOR) continue;
    return { changed: pointLink(target, join(folder, 'node')), detail: version };
  }
  throw new SetupError(
    'node',
    `no packaged Node runs on ${process.platform}-${process.arch}, and the one running is v${process.versions.node}; ` +
      `run the set-up with Node ${NODE_MAJOR} or newer, see https://nodejs.org/en/download`,
  );
}

/** @returns {Promise<string | undefined>} such as `v24.1.0`; undefined where it is not there or cannot run, as one made for another C library */
async function readVersion(node) {
  try {
    return (await runCommand(node, ['--version'])).trim();
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}
