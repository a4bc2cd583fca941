import { spawnSync } from 'node:child_process';

const INSIDE = 'SLUICE_TEST_OWN_NETWORK';

/** An address of this machine in a network of its own, which an API server accepts as an endpoint's, unlike loopback. */
export const OWN_ADDRESS = '10.99.0.1';

const SET_UP = `ip link set lo up && ip address add ${OWN_ADDRESS}/32 dev lo && exec "$@"`;

/**
 * Runs the rest of a test file in a network namespace of its own, where fixed ports collide with nobody's: the file is run again in
 * there, its results are this process' results, and this process ends with it. Without being root it does nothing.
 *
 *     enterOwnNetwork(); // first of all; tests say needs('root')
 */
export function enterOwnNetwork(): void {
  if (process.env[INSIDE] || process.getuid?.() !== 0) return;
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  // It ends with this process, however this process ends.
  const inside = ['--pdeathsig', 'TERM', 'unshare', '--net', 'sh', '-c', SET_UP, 'sh', ...command];
  const { status, error } = spawnSync('setpriv', inside, { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } });
  if (error) throw error;
  process.exit(status ?? 1);
}
