import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startLabWithSluice } from '../lab/sluice.ts';

const RUN = fileURLToPath(new URL('../run.ts', import.meta.url));
const NODES = 2;

/**
 * Installs Sluice in a lab of its own and runs the suite there, as a client outside of the cluster.
 * @param args of the suite, without `--lab`
 * @param report told what is being done before the suite begins
 * @returns the suite's exit code
 */
export async function runInLab(args: readonly string[], report: (what: string) => void): Promise<number> {
  await using lab = await startLabWithSluice({ nodes: NODES, report });
  const command = [process.execPath, RUN, 'ingress', '--kubeconfig', lab.clientKubeconfig, ...args];
  const suite = lab.spawn(command, { stdio: 'inherit' });
  const [code] = await once(suite, 'exit');
  return typeof code === 'number' ? code : 1;
}
