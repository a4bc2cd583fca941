import type { Argv } from 'yargs';
import { DEFAULT_PORTS, kubeconfigOption, namespaceOption, outputOption, portOption } from '../options.ts';
import { print, printJson } from '../output.ts';

export function addEndpoints(yargs: Argv): Argv {
  return yargs.command(
    'endpoints',
    'List the pods whose packets are judged, with their identities and devices',
    (command) =>
      command
        .option('admin-port', portOption('admin-port', DEFAULT_PORTS.enforcerAdmin, "Port of the enforcer's admin endpoint on this node"))
        .option('cluster', { type: 'boolean', default: false, describe: 'Ask the enforcer of every node of a cluster' })
        .option('kubeconfig', kubeconfigOption)
        .option('namespace', namespaceOption)
        .option('output', outputOption)
        .example('sluice endpoints', 'of this node')
        .example('sluice endpoints --cluster', 'of all nodes; exit code 1 where a pod is not judged or a node does not answer'),
    async ({ adminPort, cluster, kubeconfig, namespace, output }) => {
      const [{ askAllEndpoints, askEndpoints }, { withApiServer }, { formatEndpoints }] = await Promise.all([
        import('../enforcer/ask-enforcer.ts'),
        import('../api-client.ts'),
        import('../text/endpoints.ts'),
      ]);
      const isOfCluster = cluster || kubeconfig !== undefined;
      const told = isOfCluster
        ? await withApiServer(kubeconfig, (client) => askAllEndpoints(client, namespace))
        : await askEndpoints(adminPort);
      await (output === 'json' ? printJson(told) : print(formatEndpoints(told)));
      if (told.silent.length + told.notSteered.length > 0 || told.endpoints.some(({ state }) => state !== 'judged')) process.exitCode = 1;
    },
  );
}
