import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, toJson } from '@bufbuild/protobuf';
import { DropReason, EndpointSchema, FlowSchema, L7FlowType, type TrafficDirection, Verdict } from '@sluice/envoy-protos/hubble/flow_pb.js';
import { GetFlowsRequestSchema, type GetFlowsResponse, GetFlowsResponseSchema } from '@sluice/envoy-protos/hubble/observer_pb.js';
import { DROP_REASONS } from './drop-reasons.ts';
import { flowRequest } from './flow-request.ts';
import { formatter } from './format-flow.ts';
import type { Format } from './formats.ts';
import { wantedOf } from './wanted.ts';

const NOW = 1_800_000_000_000_000_000n;

function asked(argv: Readonly<Record<string, unknown>>) {
  return toJson(GetFlowsRequestSchema, flowRequest(wantedOf(argv), NOW), { useProtoFieldName: true });
}

describe('what is asked of a node', () => {
  for (const [what, argv, expected] of [
    ['nothing', {}, { number: '20' }],
    ['the last', { last: 5 }, { number: '5' }],
    ['the first', { first: 5 }, { number: '5', first: true }],
    ['what is to come', { follow: true }, { follow: true }],
    ['a time', { since: '1h30m', until: '500ms' }, { since: '2027-01-15T06:30:00Z', until: '2027-01-15T07:59:59.500Z' }],
    ['a time by its name', { since: '2026-11-22T10:00:00Z', last: 3 }, { since: '2026-11-22T10:00:00Z', number: '3' }],
    ['who sends', { 'from-pod': ['shop/web'], last: 1 }, { number: '1', whitelist: [{ source_pod: ['shop/web'] }] }],
    [
      'who sends or receives, and what became of it',
      { pod: ['shop/web'], verdict: ['dropped'], last: 1 },
      {
        number: '1',
        whitelist: [{ source_pod: ['shop/web'] }, { destination_pod: ['shop/web'] }].map((each) => ({ verdict: ['DROPPED'], ...each })),
      },
    ],
    [
      'what is not unwanted',
      { 'from-pod': ['shop/web'], 'not-verdict': ['forwarded', 'audit'], 'not-port': ['53'], last: 1 },
      {
        number: '1',
        whitelist: [{ source_pod: ['shop/web'] }],
        blacklist: [{ verdict: ['FORWARDED', 'AUDIT'] }, { source_port: ['53'] }, { destination_port: ['53'] }],
      },
    ],
    [
      'two ends, in whatever order',
      { ip: ['10.0.0.0/8'], port: ['80', '443'], last: 1 },
      {
        number: '1',
        whitelist: ['source_ip', 'destination_ip'].flatMap((address) =>
          ['source_port', 'destination_port'].map((port) => ({ [address]: ['10.0.0.0/8'], [port]: ['80', '443'] })),
        ),
      },
    ],
    [
      'all that else there is',
      {
        last: 1,
        'to-namespace': ['shop'],
        'to-label': ['app=web'],
        'from-identity': ['300'],
        'to-service': ['shop/web'],
        'from-workload': ['Deployment/web', 'api'],
        'to-name': ['*.example.com'],
        protocol: ['http'],
        type: ['l7'],
        'http-status': ['5+'],
        'http-method': ['GET'],
        'http-path': ['^/v1'],
        'dns-name': ['example'],
        'drop-reason': ['policy_denied'],
        'trace-id': ['ab'],
      },
      {
        number: '1',
        whitelist: [
          {
            destination_pod: ['shop/'],
            destination_label: ['app=web'],
            source_identity: [300],
            destination_service: ['shop/web'],
            source_workload: [{ kind: 'Deployment', name: 'web' }, { name: 'api' }],
            destination_fqdn: ['*.example.com'],
            protocol: ['http'],
            event_type: [{ type: 129 }],
            http_status_code: ['5+'],
            http_method: ['GET'],
            http_path: ['^/v1'],
            dns_query: ['example'],
            drop_reason_desc: ['POLICY_DENIED'],
            trace_id: ['ab'],
          },
        ],
      },
    ],
  ] as const) {
    test(what, () => assert.deepEqual(asked(argv), expected));
  }

  for (const [argv, problem] of [
    [{ last: 1, first: 1 }, '--last and --first cannot both be wanted'],
    [{ first: 1, follow: true }, '--first cannot be followed'],
    [{ last: 0 }, '--last must be how many, 1 or more'],
    [{ first: 0 }, '--first must be how many, 1 or more'],
    [{ first: 1.5 }, '--first must be how many, 1 or more'],
    [{ since: 'yesterday' }, '--since must be a time (2026-01-31T12:00:00Z) or how long ago it was (90s, 1h30m), not "yesterday"'],
    [{ until: '5' }, '--until must be a time (2026-01-31T12:00:00Z) or how long ago it was (90s, 1h30m), not "5"'],
    [{ identity: ['web'] }, '"web" is no identity: sluice identity list shows them'],
    [{ pod: ['a'], 'from-pod': ['b'] }, '--pod says of one side what another option says, too'],
    [{ 'to-namespace': ['a'], 'to-pod': ['b'] }, '--to-namespace says of one side what another option says, too'],
    [{ 'not-identity': ['web'] }, '"web" is no identity: sluice identity list shows them'],
    [{ 'drop-reason': ['because'] }, /^"because" is no reason; such are /],
  ] as const) {
    test(`is not ${JSON.stringify(argv)}`, () => {
      assert.throws(() => asked(argv), { name: 'CliError', code: 'usage', message: problem });
    });
  }
});

test('reasons to drop are those of the proto', () => {
  const names = Object.keys(DropReason).filter((name) => Number.isNaN(Number(name)) && name !== 'DROP_REASON_UNKNOWN');
  assert.deepEqual(
    DROP_REASONS,
    names.map((name) => name.toLowerCase()),
  );
});

const WEB = create(EndpointSchema, { identity: 300, namespace: 'shop', podName: 'web-1', labels: ['k8s:app=web'] });
const WORLD = create(EndpointSchema, { identity: 9, labels: ['reserved:world'] });

function told(flow: Parameters<typeof create<typeof FlowSchema>>[1]): GetFlowsResponse {
  const value = create(FlowSchema, flow);
  return create(GetFlowsResponseSchema, {
    nodeName: 'default/n1',
    ...(value.time && { time: value.time }),
    responseTypes: { case: 'flow', value },
  });
}

const WAY = {
  time: { seconds: 1_800_000_000n },
  nodeName: 'default/n1',
  IP: { source: 'fd00::1', destination: '2001:db8::2' },
  source: WEB,
  destination: WORLD,
} as const;
const DENIED = told({
  ...WAY,
  verdict: Verdict.DROPPED,
  dropReasonDesc: 133,
  eventType: { type: 1 },
  trafficDirection: 2,
  l4: { protocol: { case: 'TCP', value: { sourcePort: 40_000, destinationPort: 443 } } },
  egressDeniedBy: [{ kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'web' }],
});
const ANSWERED = told({
  ...WAY,
  verdict: Verdict.FORWARDED,
  isReply: true,
  l4: { protocol: { case: 'TCP', value: { sourcePort: 80, destinationPort: 40_000 } } },
  l7: {
    type: L7FlowType.RESPONSE,
    latencyNs: 2_500_000n,
    record: {
      case: 'http',
      value: { $typeName: 'flow.HTTP', protocol: 'HTTP/1.1', method: 'GET', url: 'http://a/b', code: 404, headers: [] },
    },
  },
});
const PING = told({
  ...WAY,
  verdict: Verdict.FORWARDED,
  eventType: { type: 5 },
  l4: { protocol: { case: 'ICMPv6', value: { type: 128 } } },
});
const LOST = create(GetFlowsResponseSchema, {
  responseTypes: { case: 'lostEvents', value: { $typeName: 'flow.LostEvent', source: 3, numEventsLost: 7n } },
});

function shown(format: Format, responses: readonly GetFlowsResponse[], colours = false): string {
  const text = formatter(format, colours);
  return responses.map((response) => text(response)).join('');
}

describe('what is shown', () => {
  const AT = '2027-01-15T08:00:00.000Z';

  test('in a line each', () => {
    assert.deepEqual(shown('compact', [DENIED, ANSWERED, PING, LOST]).split('\n'), [
      `${AT} DROPPED shop/web-1:40000 (300) -> [2001:db8::2]:443 (world) TCP policy denied by CiliumNetworkPolicy shop/web`,
      `${AT} FORWARDED [2001:db8::2]:40000 (world) <- shop/web-1:80 (300) HTTP/1.1 GET http://a/b -> 404 in 2.5 ms`,
      `${AT} FORWARDED shop/web-1 (300) -> 2001:db8::2 (world) ICMPv6 type 128 begun`,
      '7 flows were lost: they came faster than they were read',
      '',
    ]);
  });

  test('with colours', () => {
    assert.ok(shown('compact', [DENIED], true).includes('Z \u001b[31mDROPPED\u001b[0m shop'));
    assert.ok(shown('dict', [PING], true).includes('VERDICT: \u001b[32mFORWARDED\u001b[0m\n'));
  });

  for (const colours of [false, true]) {
    test(`of what a later version says, its numbers; with colours: ${colours}`, () => {
      const dropped = told({
        ...WAY,
        verdict: Verdict.DROPPED,
        dropReasonDesc: 9_999 as DropReason,
        trafficDirection: 99 as TrafficDirection,
      });
      const unknown = told({ ...WAY, verdict: 99 as Verdict });
      for (const format of ['compact', 'dict', 'table'] as const) {
        const text = shown(format, [dropped, unknown], colours);
        assert.match(text, / 9999$/m);
        assert.match(text, / 99( |$)/m);
        assert.doesNotMatch(text, /undefined/);
      }
    });
  }

  test('in blocks', () => {
    assert.deepEqual(shown('dict', [DENIED]).split('\n'), [
      `       TIME: ${AT}`,
      '       NODE: default/n1',
      '    VERDICT: DROPPED',
      '     SOURCE: shop/web-1:40000 (300)',
      'DESTINATION: [2001:db8::2]:443 (world)',
      '  DIRECTION: egress',
      '    SUMMARY: TCP policy denied by CiliumNetworkPolicy shop/web',
      '------------',
      '',
    ]);
  });

  test('by what they are known', () => {
    const workloads = [{ kind: 'Deployment', name: 'web' }];
    const source = create(EndpointSchema, { identity: 300, namespace: 'shop', podName: 'web-1', workloads });
    const known = told({ ...WAY, source, verdict: Verdict.FORWARDED, destinationService: { namespace: 'shop', name: 'api' } });
    const lines = shown('dict', [known])
      .split('\n')
      .map((line) => line.trim());
    for (const line of ['SOURCE: shop/web-1 (300)', 'DESTINATION: shop/api (world)', 'WORKLOADS: Deployment web -> -'])
      assert.ok(lines.includes(line), lines.join('\n'));
    const named = told({ ...WAY, verdict: Verdict.FORWARDED, destinationNames: ['a.example', 'b.example'] });
    assert.ok(shown('compact', [named]).includes('-> a.example,b.example (world)'));
  });

  test('in columns', () => {
    const lines = shown('table', [DENIED, PING]).split('\n');
    assert.equal(lines.length, 4);
    const columns = ['TIME', 'VERDICT', 'SOURCE', 'DESTINATION', 'SUMMARY'].map((head) => lines[0]?.indexOf(head));
    assert.deepEqual(
      [AT, 'DROPPED', 'shop/web-1:40000', '[2001:db8::2]:443', 'TCP'].map((cell) => lines[1]?.indexOf(cell)),
      columns,
    );
  });

  test('for machines', () => {
    const [flow, lost, ...rest] = shown('json', [DENIED, LOST]).split('\n');
    assert.equal(JSON.parse(flow ?? '').flow.drop_reason_desc, 'POLICY_DENIED');
    assert.deepEqual(JSON.parse(lost ?? ''), { lost_events: { source: 'HUBBLE_RING_BUFFER', num_events_lost: '7' } });
    assert.deepEqual(rest, ['']);
  });
});
