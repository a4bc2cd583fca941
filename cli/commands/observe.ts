import type { Argv, Options } from 'yargs';
import { DROP_REASONS } from '../observe/drop-reasons.ts';
import { FORMATS } from '../observe/formats.ts';
import { NEGATED } from '../observe/negated.ts';
import { print } from '../output.ts';

const PEERS = {
  pod: 'a pod, as namespace/name or the beginning of one',
  namespace: 'a pod of a namespace',
  label: 'whoever has labels, as a selector: app=web,tier!=db',
  identity: 'an identity, by its number',
  ip: 'an address, or one of a prefix',
  port: 'a port',
  service: 'a Service, as namespace/name',
  workload: 'a workload, as name or kind/name',
  name: 'a name of DNS, or a pattern: *.example.com',
} as const;

export function addObserve(yargs: Argv): Argv {
  return yargs.command(
    'observe',
    'Show what is said on this node: connections, requests, and what was dropped and why',
    (command) =>
      withFilters(withServer(command))
        .example([
          ['sluice observe', 'the last twenty'],
          ['sluice observe --follow --verdict dropped', 'what is dropped from now on'],
          ['sluice observe --from-pod shop/web --to-port 5432 --since 10m -o json', 'who asked the database, for machines'],
          ['sluice observe -f --namespace shop --not --protocol dns', 'what a namespace does, but for its questions to DNS'],
          ['sluice observe --http-status 5+ --last 50 -o table', 'requests that failed'],
          ['kubectl -n sluice-system exec ds/sluice-agent -c agent -- sluice observe --last 50', 'of a node of a cluster'],
        ])
        .epilogue(
          'Of several values of an option any will do; of several options all must. Exit code 1 where nobody tells of flows, 2 for a mistake.',
        ),
    async (argv) => {
      const [{ askFlows }, { findServer }, { serverCredentials }, { flowRequest }, { formatter }, { wantedOf }, { listenForStop }] =
        await Promise.all([
          import('../observe/ask-observer.ts'),
          import('../observe/find-server.ts'),
          import('../observe/server-credentials.ts'),
          import('../observe/flow-request.ts'),
          import('../observe/format-flow.ts'),
          import('../observe/wanted.ts'),
          import('../stop-signals.ts'),
        ]);
      const request = flowRequest(wantedOf(argv), BigInt(Date.now()) * 1_000_000n);
      const credentials = await serverCredentials(argv);
      const server = argv.server ?? (await findServer(argv.adminPort));
      const format = formatter(argv.output, isColoured(argv.color));
      for await (const response of askFlows(server, credentials, request, listenForStop().graceful)) await print(format(response));
    },
  );
}

function isColoured(wanted: string): boolean {
  if (wanted !== 'auto') return wanted === 'always';
  return process.stdout.isTTY && !process.env['NO_COLOR'];
}

function withServer<T>(command: Argv<T>) {
  const file = { type: 'string', requiresArg: true, normalize: true } as const;
  return command
    .option('server', {
      type: 'string',
      requiresArg: true,
      describe:
        'Where flows are told, as gRPC names it: unix:PATH, NAME:PORT; any server of Hubble will do. Default: what runs on this machine',
    })
    .option('admin-port', {
      type: 'number',
      requiresArg: true,
      describe: 'Port of the admin endpoint that knows where flows are told; default: those of `sluice run` and of the agent of a cluster',
    })
    .option('ca', { ...file, describe: 'With --server: file with the authorities that nodes are known by' })
    .option('cert', { ...file, describe: 'With --server: file with the certificate of who asks' })
    .option('key', { ...file, describe: 'With --server: file with its key' });
}

function withFilters<T>(command: Argv<T>) {
  const all = command
    .option('follow', { alias: 'f', type: 'boolean', default: false, describe: 'Go on with what is to come' })
    .option('last', { type: 'number', requiresArg: true, describe: 'The last so many; default: 20' })
    .option('first', { type: 'number', requiresArg: true, describe: 'The first so many that are remembered' })
    .option('since', { type: 'string', requiresArg: true, describe: 'From a time on: 90s, 1h30m, 2026-01-31T12:00:00Z' })
    .option('until', { type: 'string', requiresArg: true, describe: 'Up to a time' })
    .option('not', { type: 'boolean', describe: 'What the next option says is not wanted: --not --verdict forwarded' })
    .option('output', { alias: 'o', choices: FORMATS, default: 'compact' as const, describe: 'Form of what is shown' })
    .option('color', { choices: ['auto', 'always', 'never'], default: 'auto', describe: 'Whether verdicts have colours' });
  const filters = filterOptions();
  all.options(filters).alias('type', 't');
  all.options(Object.fromEntries(Object.entries(filters).map(([name, option]) => [`${NEGATED}${name}`, { ...option, hidden: true }])));
  return all;
}

const VERDICTS = ['forwarded', 'dropped', 'redirected', 'audit', 'error'];

/** Hubble's client has verdicts in capitals. */
function inSmallLetters(values: readonly string[] | undefined): readonly string[] | undefined {
  return values?.map((value) => value.toLowerCase());
}

const list = { type: 'string', array: true, requiresArg: true } as const;

function filterOptions(): Readonly<Record<string, Options>> {
  const sides = [
    ['from-', 'From'],
    ['to-', 'To'],
    ['', 'From or to'],
  ] as const;
  const peers = Object.entries(PEERS).flatMap(([field, what]) =>
    sides.map(([side, word]) => [`${side}${field}`, { ...list, describe: `${word} ${what}` }] as const),
  );
  return {
    verdict: { ...list, choices: VERDICTS, coerce: inSmallLetters, describe: 'What became of it' },
    type: { ...list, choices: ['drop', 'trace', 'policy-verdict', 'l7'], describe: 'Which kind of event' },
    protocol: { ...list, describe: 'tcp, udp, icmp, http, dns, …' },
    'http-status': { ...list, describe: 'Answers of HTTP: 404, 5+' },
    'http-method': { ...list, describe: 'Methods of HTTP' },
    'http-path': { ...list, describe: 'Paths of HTTP, as regular expressions' },
    'dns-name': { ...list, describe: 'Names that DNS was asked for, as regular expressions' },
    'drop-reason': {
      ...list,
      ...(isCompleting() && { choices: DROP_REASONS }),
      describe: 'Why it was dropped, as Cilium calls it: policy_denied',
    },
    'trace-id': { ...list, describe: 'Traces that it is of' },
    ...Object.fromEntries(peers),
  };
}

/** All reasons would be most of the help. */
function isCompleting(): boolean {
  return process.argv.includes('--get-yargs-completions');
}
