import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { DropReason, FlowFilterSchema, IPVersion, TrafficDirection, Verdict } from '@sluice/envoy-protos/hubble/flow_pb.js';
import type { Flow } from '../flow.ts';
import { OptionProblem } from '../option-problem.ts';
import { exampleFlow, exampleResponse } from '../testing/example-flow.ts';
import { flowFilter } from './flow-filter.ts';

type Filter = MessageInitShape<typeof FlowFilterSchema>;

function matches(filter: Filter, flow: Flow): boolean {
  const made = flowFilter(create(FlowFilterSchema, filter));
  assert.ok(!(made instanceof OptionProblem), made instanceof OptionProblem ? made.message : '');
  return made(flow);
}

const BEGUN = exampleFlow({ traceId: 'ab'.repeat(16) });
const DROPPED = exampleFlow({ kind: 'packet-dropped', verdict: 'dropped', reason: 'dropped-not-allowed' });
const ANSWERED = exampleResponse(404);
const ASKED_NAME = exampleFlow({
  kind: 'exchange',
  protocol: 17,
  destinationPort: 53,
  l7: { kind: 'dns', type: 'request', query: 'api.example.com.', queryTypes: ['A'], addresses: [], canonicalNames: [], ttl: 0, code: 0 },
});

const CASES: readonly (readonly [what: string, flow: Flow, matching: readonly Filter[], others: readonly Filter[]])[] = [
  ['everything', BEGUN, [{}], []],
  [
    'addresses',
    BEGUN,
    [
      { sourceIp: ['10.0.0.1'] },
      { sourceIp: ['1.1.1.1', '10.0.0.0/8'] },
      { destinationIp: ['fd00:0::2'] },
      { destinationIp: ['fd00::/16'] },
    ],
    [{ sourceIp: ['10.0.0.2'] }, { sourceIp: ['fd00::/16'] }, { destinationIp: ['10.0.0.0/8'] }],
  ],
  [
    'pods',
    BEGUN,
    [{ sourcePod: ['shop/web'] }, { sourcePod: ['shop/'] }, { sourcePod: ['/web-1'] }, { destinationPod: ['back/api-7'] }],
    [{ sourcePod: ['web-1'] }, { sourcePod: ['back/web'] }, { sourcePod: ['shop/web-2'] }, { destinationPod: ['shop/'] }],
  ],
  [
    'labels',
    BEGUN,
    [
      ...[
        'app=web',
        ' app == web ',
        ' ! odd ,app in(web,)',
        'k8s:app=web',
        'app',
        'app in (api, web)',
        '!reserved:odd',
        'app!=api',
        'app=web, io.kubernetes.pod.namespace',
      ].map((each) => ({ sourceLabel: [each] })),
      { destinationLabel: ['reserved:odd'] },
      { sourceLabel: ['app=no', 'app=web'] },
    ],
    ['app=api', 'any:app=api', 'reserved:app', 'app notin (web)', 'app  notin(a,web)', '!app', 'app=web,tier', 'app='].map((each) => ({
      sourceLabel: [each],
    })),
  ],
  [
    'names and Services',
    BEGUN,
    [{ destinationFqdn: ['*.example.com'] }, { destinationFqdn: ['API.example.com.'] }, { destinationService: ['back/a'] }],
    [{ destinationFqdn: ['example.com'] }, { sourceFqdn: ['*'] }, { sourceService: ['back/api'] }, { destinationService: ['api'] }],
  ],
  [
    'workloads and identities',
    BEGUN,
    [
      { sourceWorkload: [{ name: 'web' }] },
      { sourceWorkload: [{ kind: 'Deployment' }] },
      { destinationIdentity: [7, 301] },
      { sourceClusterName: ['default'] },
    ],
    [{ sourceWorkload: [{ name: 'web', kind: 'StatefulSet' }] }, { sourceIdentity: [301] }, { sourceClusterName: ['other'] }],
  ],
  [
    'ports and protocols',
    BEGUN,
    [
      { sourcePort: ['40000'], destinationPort: ['80', '8080'] },
      ...['TCP', 'tcp'].map((protocol) => ({ protocol: [protocol] })),
      { tcpFlags: [{ SYN: true }] },
      { ipVersion: [IPVersion.IPv4] },
    ],
    [
      { destinationPort: ['40000'] },
      { protocol: ['udp', 'http', 'kafka', 'icmp'] },
      { tcpFlags: [{ FIN: true }] },
      { ipVersion: [IPVersion.IPv6] },
    ],
  ],
  [
    'verdicts',
    DROPPED,
    [
      { verdict: [Verdict.DROPPED] },
      { dropReasonDesc: [DropReason.POLICY_DENIED] },
      { eventType: [{ type: 1 }] },
      { eventType: [{ type: 1, matchSubType: true, subType: DropReason.POLICY_DENIED }] },
      { trafficDirection: [TrafficDirection.INGRESS] },
      { reply: [false] },
    ],
    [
      { verdict: [Verdict.FORWARDED] },
      { dropReasonDesc: [DropReason.POLICY_DENY] },
      { eventType: [{ type: 129 }] },
      { eventType: [{ type: 1, matchSubType: true, subType: 0 }] },
      { trafficDirection: [TrafficDirection.EGRESS] },
      { reply: [true] },
    ],
  ],
  [
    'answers',
    ANSWERED,
    [
      ...['404', '4+', '40+'].map((code) => ({ httpStatusCode: [code] })),
      { httpMethod: ['get'] },
      { httpPath: ['^/v1/u'] },
      { httpUrl: ['api/v1'] },
      { httpHeader: [{ key: 'x-tenant', value: 'blue' }] },
      { protocol: ['http'] },
      { reply: [true] },
      { eventType: [{ type: 129 }] },
    ],
    [
      ...['405', '5+', '41+'].map((code) => ({ httpStatusCode: [code] })),
      { httpMethod: ['POST'] },
      { httpPath: ['api'] },
      { httpUrl: ['^/v1'] },
      { httpHeader: [{ key: 'x-tenant', value: 'red' }] },
      { protocol: ['dns'] },
      { dnsQuery: ['.'] },
    ],
  ],
  [
    'questions for names',
    ASKED_NAME,
    [{ dnsQuery: ['example'] }, { protocol: ['DNS'] }],
    [{ dnsQuery: ['^example'] }, { httpStatusCode: ['2+'] }, { httpMethod: ['GET'] }],
  ],
  [
    'nodes and ids',
    BEGUN,
    [
      ...['n1', 'default/n1', 'default/', '*/n*'].map((name) => ({ nodeName: [name] })),
      { traceId: ['ab'.repeat(16)] },
      { uuid: ['00000000-0000-4000-8000-000000000000'] },
    ],
    [{ nodeName: ['n'] }, { nodeName: ['other/n1'] }, { traceId: [''] }, { uuid: ['x'] }],
  ],
  [
    'all that is said',
    BEGUN,
    [{ sourcePod: ['shop/web'], destinationPort: ['8080'] }],
    [{ sourcePod: ['shop/web'], destinationPort: ['80'] }],
  ],
];

describe('flows are chosen by', () => {
  for (const [what, flow, matching, others] of CASES) {
    test(what, () => {
      for (const filter of matching) assert.ok(matches(filter, flow), JSON.stringify(filter));
      for (const filter of others) assert.ok(!matches(filter, flow), JSON.stringify(filter));
    });
  }
});

describe('paths are', () => {
  for (const [url, path] of [
    ['http://x:99999/a', '/a'],
    ['http://ü ber/a', '/a'],
    ['http://[::1/a', '/a'],
    ['http://api/public/%2e%2e/admin', '/public/../admin'],
    ['http://api/public/../admin', '/public/../admin'],
    ['http://api/a%20b', '/a b'],
    ['http://api/a%2', '/a%2'],
    ['http://api/a%ff', '/a%ff'],
    ['http://api/a?b=/c#d', '/a'],
    ['https://api//b', '//b'],
    ['/a://b', '/a://b'],
  ] as const) {
    const flow = exampleFlow({ l7: { kind: 'http', type: 'request', method: 'GET', url, protocol: 'HTTP/1.1', headers: [] } });
    test(`${url}: ${path}`, () => {
      const pattern = `^\\Q${path}\\E$`;
      assert.ok(matches({ httpPath: [pattern] }, flow));
      assert.ok(matches({ httpPath: ['^/'] }, flow));
    });
  }
});

type Problem = readonly [filter: Filter, problem: string];
const PROBLEMS: readonly Problem[] = [
  [{ sourceIp: ['10.0.0'] }, '"10.0.0" is neither an address nor a prefix of addresses'],
  [{ sourceIp: ['10.0.0.0/33'] }, '"10.0.0.0/33" is neither an address nor a prefix of addresses'],
  [{ destinationPod: [''] }, 'a name must not be empty'],
  [{ sourceLabel: ['app in web'] }, '"app in web" is no label selector: "app in web" is not understood'],
  ...['app in (a', 'app=a=b', '!app=web', 'appin (web)', 'app in (a,(web))', '=web', 'a:b:c'].map(
    (text): Problem => [{ sourceLabel: [text] }, `"${text}" is no label selector: "${text}" is not understood`],
  ),
  [{ sourceLabel: ['app=web,'] }, '"app=web," is no label selector: "" is not understood'],
  [{ sourceFqdn: ['a b'] }, '"a b" is no pattern of names'],
  [{ destinationPort: ['http'] }, '"http" is no port'],
  [{ destinationPort: ['70000'] }, '"70000" is no port'],
  [{ protocol: ['constructor'] }, '"constructor" is none of icmp, icmpv4, icmpv6, tcp, udp, sctp, vrrp, igmp, dns, http, kafka'],
  [{ httpStatusCode: ['600'] }, '"600" is no status code ("404") and no beginning of one ("4+")'],
  [{ httpPath: ['('] }, '"(" is no regular expression: error parsing regexp: missing closing ): `(`'],
  [{ nodeName: ['a/b/c'] }, '"a/b/c" is neither "node" nor "cluster/node"'],
  [{ encrypted: [true] }, 'flows cannot be chosen by encrypted here'],
  [{ experimental: { celExpression: ['true'] } }, 'flows cannot be chosen by CEL expressions here'],
];

describe('a filter that nobody can hold to is refused', () => {
  for (const [filter, problem] of PROBLEMS) {
    test(JSON.stringify(filter), () => {
      const made = flowFilter(create(FlowFilterSchema, filter));
      assert.ok(made instanceof OptionProblem);
      assert.equal(made.message, problem);
    });
  }

  // By any way whose time grows with the square of the length, each would take minutes.
  for (const text of [`a${' '.repeat(400_000)}b`, '(,'.repeat(200_000), ',)'.repeat(200_000)]) {
    test(`${text.length} characters of ${JSON.stringify(text.slice(0, 4))} …, in no time`, { timeout: 20_000 }, async () => {
      assert.ok(flowFilter(create(FlowFilterSchema, { sourceLabel: [text] })) instanceof OptionProblem);
      // So that the time can be over.
      await setImmediate();
    });
  }

  test('with a field of a later version', () => {
    const made = flowFilter(fromBinary(FlowFilterSchema, Uint8Array.of(0xc0, 0x3e, 1)));
    assert.ok(made instanceof OptionProblem);
    assert.equal(made.message, 'flows cannot be chosen by the field 1000 of a filter here');
  });
});
