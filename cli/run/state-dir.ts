import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

const HASH_LENGTH = 12;

/**
 * Where a run keeps its state unless told otherwise: a folder for each folder of manifests, so that a later start on the
 * same manifests finds the Envoy of the earlier one.
 * @see https://specifications.freedesktop.org/basedir-spec/latest/
 */
export function defaultStateDir(manifests: string, env: NodeJS.ProcessEnv = process.env): string {
  const name = createHash('sha256').update(resolve(manifests)).digest('hex').slice(0, HASH_LENGTH);
  return join(stateHome(env), name);
}

/** The folder that holds the states of all runs of this user. */
export function stateHome(env: NodeJS.ProcessEnv = process.env): string {
  const base = env['XDG_STATE_HOME'];
  return join(base && isAbsolute(base) ? base : join(homedir(), '.local', 'state'), 'sluice');
}
