import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { NodeFlows } from '../../agent/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { SnapshotCache } from '../../xds-server/serve/index.ts';
import { WITH_TIME_TO_BUILD } from '../lab/go-program.ts';
import { HubbleClient, hubbleBinary } from './hubble-cli.ts';
import { ALL_KNOWN, type KnownFlow, knownFlows, TRACE } from './known-flows.ts';

const OF_DB: readonly KnownFlow[] = ['opened', 'closed', 'pinged'];
const OF_WEB: readonly KnownFlow[] = [...OF_DB, 'asked', 'answered', 'lookedUp'];
const OF_API: readonly KnownFlow[] = ['denied', 'audited', 'asked', 'answered', 'produced'];
const OF_WORLD: readonly KnownFlow[] = ['denied', 'audited', 'lookedUp'];
const FROM_WEB: readonly KnownFlow[] = [...OF_DB, 'asked', 'lookedUp'];
const FROM_API: readonly KnownFlow[] = ['denied', 'audited', 'answered', 'produced'];
const HTTP: readonly KnownFlow[] = ['asked', 'answered'];
const IPV6: readonly KnownFlow[] = ['denied', 'audited', 'answered', 'produced'];
const IPV4: readonly KnownFlow[] = [...OF_DB, 'asked', 'lookedUp'];
const allBut = (...names: readonly KnownFlow[]) => ALL_KNOWN.filter((name) => !names.includes(name));
const refused = (what: string) => new RegExp(`InvalidArgument desc = flows cannot be chosen by ${what} here`);

/** Each filter that Hubble's client has, with what it finds, or how it is refused. */
const CASES: readonly (readonly [args: string, expected: readonly KnownFlow[] | RegExp])[] = [
  ['--all-namespaces', ALL_KNOWN],
  ['--from-all-namespaces', ALL_KNOWN],
  ['--to-all-namespaces', [...OF_DB, ...HTTP]],
  ['--namespace shop', OF_WEB],
  ['--from-namespace shop', FROM_WEB],
  ['--to-namespace shop', [...OF_DB, 'answered']],
  ['--pod shop/web', OF_WEB],
  ['--pod web', []],
  ['--from-pod back/api-7', FROM_API],
  ['--to-pod shop/db', OF_DB],
  ['--namespace shop --pod db', OF_DB],
  ['--label app=db', OF_DB],
  ['--label app=db,tier!=data', []],
  ['--from-label app', [...FROM_WEB, ...FROM_API]],
  ['--to-label reserved:world', OF_WORLD],
  ['--identity 301', OF_API],
  ['--from-identity world', []],
  ['--to-identity 302', OF_DB],
  ['--ip 10.0.0.7', OF_DB],
  ['--from-ip 10.0.0.0/8', FROM_WEB],
  ['--to-ip 2001:db8::/32', ['denied', 'audited']],
  ['--port 5432', ['opened', 'closed']],
  ['--from-port 8080', ['answered']],
  ['--to-port 53', ['lookedUp']],
  ['--service shop/db', OF_DB],
  ['--from-service back/api', FROM_API],
  ['--to-service back/api', ['asked']],
  ['--workload db', OF_DB],
  ['--from-workload StatefulSet/api', FROM_API],
  ['--to-workload Deployment/web', ['answered']],
  ['--fqdn *.example.com', [...OF_WORLD, ...HTTP, 'produced']],
  ['--from-fqdn api.example.com', FROM_API],
  ['--to-fqdn www.example.com', OF_WORLD],
  ['--cluster default', ALL_KNOWN],
  ['--from-cluster default', ALL_KNOWN],
  ['--to-cluster default', [...OF_DB, ...HTTP]],
  ['--cluster other', []],
  ['--verdict DROPPED --verdict AUDIT', ['denied', 'audited']],
  ['--verdict TRACED', []],
  ['--drop-reason-desc POLICY_DENIED', ['denied']],
  ['--drop-reason-desc NO_SID', []],
  ['--type drop', ['denied']],
  ['--type l7', [...HTTP, 'lookedUp', 'produced']],
  ['--type policy-verdict', ['opened', 'audited', 'pinged']],
  ['--type trace:to-endpoint', ['closed']],
  ['--type trace:to-stack', []],
  ['--type capture', []],
  ['--protocol tcp', allBut('pinged', 'lookedUp')],
  ['--protocol http --protocol dns', [...HTTP, 'lookedUp']],
  ['--protocol icmp', ['pinged']],
  ['--protocol kafka', ['produced']],
  ['--http-method get', ['answered']],
  ['--http-path ^/v1/u', HTTP],
  ['--http-path ^/v2', []],
  ['--http-url ^http://api/', HTTP],
  ['--http-status 4+', ['answered']],
  ['--http-status 500', []],
  ['--http-header x-tenant:blue', HTTP],
  ['--http-header x-tenant:red', []],
  [`--trace-id ${TRACE}`, HTTP],
  ['--tcp-flags SYN', ['opened']],
  ['--tcp-flags FIN', []],
  ['--traffic-direction egress', ['denied', 'audited', 'lookedUp', 'produced']],
  ['--ipv4', IPV4],
  ['--ipv6', IPV6],
  ['--ip-version v6', IPV6],
  ['--node-name n2', ['asked']],
  ['--node-name default/n*', ALL_KNOWN],
  ['--uuid pinged', ['pinged']],
  ['--not --namespace shop', ['denied', 'audited', 'produced']],
  ['--pod shop/web --not --protocol http', [...OF_DB, 'lookedUp']],
  ['--cel-expression true', refused('CEL expressions')],
  ['--encrypted', refused('encrypted')],
  ['--unencrypted', refused('encrypted')],
  ['--interface eth0', refused('interface')],
  ['--ip-trace-id 7', refused('ip_trace_id')],
  ['--node-label a=b', refused('node_labels')],
  ['--snat-ip 10.0.0.1', refused('source_ip_xlated')],
];

const lineView = z.object({ flow: z.object({ uuid: z.string() }) });

describe("Hubble's own client", { ...needs('cluster'), ...WITH_TIME_TO_BUILD }, () => {
  const cleanUp = new AsyncDisposableStack();
  let hubble: HubbleClient;
  before(async () => {
    const folder = cleanUp.use(new TemporaryFolder());
    const flows = cleanUp.use(new NodeFlows({ node: 'n1', version: '1', capacity: 64, cache: new SnapshotCache() }));
    for (const flow of knownFlows(new Date())) flows.ring.add(flow);
    await flows.listen(folder.join('flows.sock'));
    hubble = new HubbleClient(await hubbleBinary(() => {}), ['--server', `unix://${folder.join('flows.sock')}`]);
  }, WITH_TIME_TO_BUILD);
  after(() => cleanUp.disposeAsync());

  /** Those that it shows, in their order. */
  async function shown(args: string): Promise<string[]> {
    const lines = (await hubble.tell(`observe --output jsonpb ${args}`)).split('\n').filter((line) => line !== '');
    return lines.map((line) => lineView.parse(JSON.parse(line)).flow.uuid);
  }

  describe('finds what it asks for', () => {
    for (const [args, expected] of CASES) {
      test(args, async () => {
        if (expected instanceof RegExp) {
          const { code, stderr, stdout } = await hubble.ask(`observe ${args}`);
          assert.match(stderr, expected);
          assert.deepEqual([code, stdout], [1, '']);
        } else {
          assert.deepEqual(
            await shown(args),
            ALL_KNOWN.filter((name) => expected.includes(name)),
          );
        }
      });
    }

    test('by every filter that it has', async () => {
      const help = await hubble.tell('observe --help');
      const [, section = ''] = help.split(/^(?:Filters|Raw-Filters) Flags:$/m);
      const filters = [...section.matchAll(/^ +(?:-\w, +)?(--[\w-]+) filter/gm)].map(([, name = '']) => name);
      assert.ok(filters.length > 50, filters.join());
      const asked = new Set(CASES.flatMap(([args]) => args.split(' ')));
      assert.deepEqual(
        filters.filter((name) => !asked.has(name)),
        [],
      );
    });
  });

  for (const [args, expected] of [
    ['--last 2', ['lookedUp', 'produced']],
    ['--first 2', ['opened', 'closed']],
    ['--all', ALL_KNOWN],
    ['--since 1h', ALL_KNOWN],
    ['--since 1h --last 1', ['opened']],
    ['--since 1h --until 30m', []],
  ] as const) {
    test(`shows ${args}`, async () => assert.deepEqual(await shown(args), expected));
  }

  test('is told what is wrong with what it asks for', async () => {
    for (const [args, problem] of [
      ['--label a=b=c', /InvalidArgument desc = "a=b=c" is no label selector/],
      ['--http-path (', /InvalidArgument desc = "\(" is no regular expression/],
    ] as const) {
      const { code, stderr } = await hubble.ask(`observe ${args}`);
      assert.match(stderr, problem);
      assert.equal(code, 1);
    }
  });
});
