import type { Argv } from 'yargs';
import type { KubeObject } from '../../kube/index.ts';
import { IP_PROTOCOLS } from '../../model/index.ts';
import { CliError } from '../cli-error.ts';
import { configOption, kubeconfigOption, manifestsOption, outputOption } from '../options.ts';
import { print, printJson } from '../output.ts';
import { requireSettings } from '../settings.ts';
import { type Locate, withLocations } from '../text/place.ts';

const PROTOCOLS = ['TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPv6'] as const satisfies readonly (keyof typeof IP_PROTOCOLS)[];

const partyOption = { type: 'string', demandOption: true, requiresArg: true } as const;

export function addPolicy(yargs: Argv): Argv {
  return yargs.command('policy <command>', 'Ask network policies', (command) =>
    addVerdict(command).demandCommand(1, 'policy needs the command verdict'),
  );
}

function addVerdict(yargs: Argv): Argv {
  return yargs.command(
    'verdict',
    'Say whether policies let a packet through, and which rule decides',
    (command) =>
      command
        .option('from', {
          ...partyOption,
          describe: 'Sender: a pod (namespace/name), labels (k8s:app=web), an IP address, or an entity (world)',
        })
        .option('to', { ...partyOption, describe: 'Receiver, in the same ways' })
        .option('port', {
          type: 'string',
          demandOption: true,
          requiresArg: true,
          describe: "Destination port, by number or the receiving pod's name for it; the type for ICMP",
        })
        .option('protocol', { choices: PROTOCOLS, default: 'TCP' as const, describe: 'Protocol' })
        .option('http', { type: 'string', requiresArg: true, describe: "A request to judge, as 'GET /path'" })
        .option('host', { type: 'string', requiresArg: true, default: '', describe: "The request's host" })
        .option('header', {
          type: 'string',
          array: true,
          requiresArg: true,
          nargs: 1,
          default: [] as string[],
          describe: "A header of the request, as 'Name: value'; more than once for several",
        })
        .option('server-name', { type: 'string', requiresArg: true, describe: 'A server name (SNI) to judge' })
        .option('manifests', { ...manifestsOption, demandOption: false, default: '.' })
        .option('cluster', { type: 'boolean', default: false, describe: 'Ask a cluster instead of a folder' })
        .option('kubeconfig', kubeconfigOption)
        .option('config', configOption)
        .option('output', outputOption)
        .example('sluice policy verdict --manifests DIR --from default/web --to default/db --port 5432', 'exit code 1 unless it is allowed')
        .example("sluice policy verdict --from default/web --to default/api --port 80 --http 'GET /public'", 'with a request')
        .example('sluice policy verdict --cluster --from world --to k8s:app=web --port 443', 'of a cluster, with labels in place of a pod'),
    async ({ from, to, port, protocol, http, host, header, serverName, manifests, cluster, kubeconfig, config, output }) => {
      const [{ parsePartyName }, { policyOptions }, { readRequest }, { judge }, { formatPolicyVerdict }] = await Promise.all([
        import('../policy/party-name.ts'),
        import('../policy/diagnose-policies.ts'),
        import('../policy/layer7.ts'),
        import('../policy/judge.ts'),
        import('../text/policy-verdict.ts'),
      ]);
      const settings = await requireSettings(config);
      const request = http === undefined ? undefined : readRequest({ line: http, host, headers: header }, settings.http);
      const question = {
        from: parsePartyName('from', from),
        to: parsePartyName('to', to),
        protocol: IP_PROTOCOLS[protocol],
        port: parsePort(port, protocol),
        talk: { request, serverName, serving: settings.http },
      };
      const isOfCluster = cluster || kubeconfig !== undefined;
      const { objects, locate } = isOfCluster ? await readCluster(kubeconfig) : await readFolder(manifests);
      const verdict = judge(objects, { ...policyOptions(settings), impliesNamespaces: !isOfCluster }, question);
      await (output === 'json' ? printJson(withLocations(verdict, locate)) : print(formatPolicyVerdict(verdict, locate)));
      if (verdict.decision !== 'allow') process.exitCode = 1;
    },
  );
}

interface Read {
  readonly objects: readonly KubeObject[];
  readonly locate: Locate;
}

async function readFolder(folder: string): Promise<Read> {
  const { requireManifests } = await import('../manifests.ts');
  const read = await requireManifests([folder]);
  return { objects: read.objects, locate: (object, path) => read.locate(object, path) };
}

async function readCluster(kubeconfig: string | undefined): Promise<Read> {
  const [{ readPolicyObjects }, { withApiServer }] = await Promise.all([import('../policy/read-cluster.ts'), import('../api-client.ts')]);
  return { objects: await withApiServer(kubeconfig, (client) => readPolicyObjects(client)), locate: () => undefined };
}

/** A name stays one. */
function parsePort(text: string, protocol: (typeof PROTOCOLS)[number]): number | string {
  if (!/^\d+$/.test(text) && !protocol.startsWith('ICMP') && /^[a-z0-9-]{1,15}$/.test(text)) return text;
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  const [least, most] = protocol.startsWith('ICMP') ? [0, 255] : [1, 65_535];
  if (number >= least && number <= most) return number;
  throw new CliError('usage', `--port must be ${protocol.startsWith('ICMP') ? 'a type' : 'a port, by name or'} from ${least} to ${most}`);
}
