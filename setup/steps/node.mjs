import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../commands.mjs';
import { SetupError } from '../errors.mjs';
import { pointLink } from '../symlink.mjs';

/** The release line whose type stripping runs the sources. */
const NODE_MAJOR = 24;

/**
 * Points `.setup/node` to the Node that everything is run with: the one from the npm package for this platform, or, where
 * there is no such package, the Node that is running, if it is new enough.
 * @param {import('../setup.mjs').Setup} setup
 * @returns {Promise<import('../progress.mjs').Outcome>}
 */
export async function pinNode({ root, folder }) {
  const packaged = `node_modules/node-${process.platform}-${process.arch}/bin/node`;
  const target = existsSync(join(root, packaged)) ? join('..', packaged) : process.execPath;
  const changed = pointLink(target, join(folder, 'node'));
  const version = (await runCommand(join(folder, 'node'), ['--version'])).trim();
  if (Number(version.slice(1).split('.')[0]) < NODE_MAJOR) {
    throw new SetupError(
      'node',
      `there is no packaged Node for ${process.platform}-${process.arch}, and the one running is ${version}; ` +
        `run the set-up with Node ${NODE_MAJOR} or newer, see https://nodejs.org/en/download`,
    );
  }
  return { changed, detail: version };
}
