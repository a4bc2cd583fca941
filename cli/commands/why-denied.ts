import type { Argv } from 'yargs';
import { adminPortOption, kubeconfigOption, namespaceOption, outputOption } from '../options.ts';
import { print, printJson } from '../output.ts';

export function addWhyDenied(yargs: Argv): Argv {
  return yargs.command(
    'why-denied <id>',
    'Say which policy, rule and field came nearest to allowing a request or a TLS connection that was denied',
    (command) =>
      command
        .positional('id', {
          type: 'string',
          demandOption: true,
          describe: "The header x-request-id of the answer, or the connectionId in Envoy's log",
        })
        .option('admin-port', adminPortOption)
        .option('cluster', { type: 'boolean', default: false, describe: 'Ask the agent of every node of a cluster' })
        .option('kubeconfig', kubeconfigOption)
        .option('namespace', namespaceOption)
        .option('output', outputOption)
        .example('sluice why-denied 2174b015-4263-4448-a45e-1700e1579865', 'of `sluice run --enforce` on this machine')
        .example('sluice why-denied 2174b015-4263-4448-a45e-1700e1579865 --cluster', 'on any node'),
    async ({ id, adminPort, cluster, kubeconfig, namespace, output }) => {
      const [{ askDenial, askDenialOfCluster, formatDenial }, { withApiServer }] = await Promise.all([
        import('../why-denied/ask-denial.ts'),
        import('../api-client.ts'),
      ]);
      const isOfCluster = cluster || kubeconfig !== undefined;
      const told = isOfCluster
        ? await withApiServer(kubeconfig, (client) => askDenialOfCluster(client, namespace, id))
        : await askDenial(adminPort, id);
      await (output === 'json' ? printJson(told) : print(formatDenial(told)));
    },
  );
}
