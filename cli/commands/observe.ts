import type { Argv } from 'yargs';
import { print } from '../output.ts';

const FORMATS = ['compact', 'json', 'dict', 'table'] as const;
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
      withFilters(command).example([
        ['sluice observe', 'the last twenty'],
        ['sluice observe --follow --verdict dropped', 'what is dropped from now on'],
        ['sluice observe --from-pod shop/web --to-port 5432 --since 10m -o json', 'who asked the database, for machines'],
      ]),
    async (argv) => {
      const [{ askFlows }, { flowRequest }, { formatter }, { wantedOf }, { listenForStop }] = await Promise.all([
        import('../observe/ask-observer.ts'),
        import('../observe/flow-request.ts'),
        import('../observe/format-flow.ts'),
        import('../observe/wanted.ts'),
        import('../stop-signals.ts'),
      ]);
      const request = flowRequest(wantedOf(argv), BigInt(Date.now()) * 1_000_000n);
      const format = formatter(argv.output, isColoured(argv.color));
      for await (const response of askFlows(argv.server, request, listenForStop().graceful)) await print(format(response));
    },
  );
}

function isColoured(wanted: string): boolean {
  if (wanted !== 'auto') return wanted === 'always';
  return process.stdout.isTTY && !process.env['NO_COLOR'];
}

function withFilters<T>(command: Argv<T>) {
  const all = command
    .option('server', {
      type: 'string',
      requiresArg: true,
      default: 'unix:/var/lib/sluice/flows.sock',
      describe: 'Where a node tells of flows, as gRPC names it; any server of Hubble will do',
    })
    .option('follow', { alias: 'f', type: 'boolean', default: false, describe: 'Go on with what is to come' })
    .option('last', { type: 'number', requiresArg: true, describe: 'The last so many; default: 20' })
    .option('first', { type: 'number', requiresArg: true, describe: 'The first so many that are remembered' })
    .option('since', { type: 'string', requiresArg: true, describe: 'From a time on: 90s, 1h30m, 2026-01-31T12:00:00Z' })
    .option('until', { type: 'string', requiresArg: true, describe: 'Up to a time' })
    .option('verdict', { ...list, choices: ['forwarded', 'dropped', 'redirected', 'audit', 'error'], describe: 'What became of it' })
    .option('type', { alias: 't', ...list, choices: ['drop', 'trace', 'policy-verdict', 'l7'], describe: 'Which kind of event' })
    .option('protocol', { ...list, describe: 'tcp, udp, icmp, http, dns, …' })
    .option('http-status', { ...list, describe: 'Answers of HTTP: 404, 5+' })
    .option('http-method', { ...list, describe: 'Methods of HTTP' })
    .option('http-path', { ...list, describe: 'Paths of HTTP, as regular expressions' })
    .option('dns-name', { ...list, describe: 'Names that DNS was asked for, as regular expressions' })
    .option('drop-reason', { ...list, describe: 'Why it was dropped, as Cilium calls it: policy_denied' })
    .option('trace-id', { ...list, describe: 'Traces that it is of' })
    .option('output', { alias: 'o', choices: FORMATS, default: 'compact' as const, describe: 'Form of what is shown' })
    .option('color', { choices: ['auto', 'always', 'never'], default: 'auto', describe: 'Whether verdicts have colours' });
  const sides = [
    ['from-', 'From'],
    ['to-', 'To'],
    ['', 'From or to'],
  ] as const;
  return Object.entries(PEERS).reduce(
    (options, [field, what]) =>
      sides.reduce((more, [side, word]) => more.option(`${side}${field}`, { ...list, describe: `${word} ${what}` }), options),
    all,
  );
}

const list = { type: 'string', array: true, requiresArg: true } as const;
