import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { FlowEvent_Kind, FlowEventSchema } from '@sluice/envoy-protos/sluice/node/v1/flows_pb.js';
import type { FlowEvent } from '../../bpf/datapath/index.ts';
import type { Judged } from './deciders.ts';
import { flowOfEvent } from './from-datapath.ts';
import { toldEvent } from './told-event.ts';

const CONTEXT = {
  node: 'n1',
  directory: { peerOf: (address: string, identity = 0) => ({ address, identity, labels: [`id:${identity}`] }) },
  deciders: { of: (judged: Judged) => [{ kind: 'NetworkPolicy', namespace: 'shop', name: JSON.stringify(judged) }] },
};

const EVENT: FlowEvent = {
  kind: 'begun',
  time: 5n,
  ifindex: 7,
  subject: 300,
  peer: 301,
  direction: 'egress',
  outcome: 'passed-allowed',
  protocol: 6,
  localAddress: '10.0.0.1',
  localPort: 40_000,
  remoteAddress: 'fd00::2',
  remotePort: 80,
  slot: 0,
  packets: 3n,
  bytes: 120n,
};

/** What an agent makes of it. */
function heard(event: FlowEvent) {
  return flowOfEvent(create(FlowEventSchema, toldEvent(event, 1_000n)), CONTEXT);
}

test('a connection that a pod opens goes from it to its peer', () => {
  const { uuid = '', ...flow } = heard(EVENT) ?? {};
  assert.match(uuid, /^[0-9a-f-]{36}$/);
  assert.deepEqual(flow, {
    time: 1_005n,
    node: 'n1',
    kind: 'connection-begun',
    verdict: 'forwarded',
    source: { address: '10.0.0.1', identity: 300, labels: ['id:300'] },
    destination: { address: 'fd00::2', identity: 301, labels: ['id:301'] },
    protocol: 6,
    sourcePort: 40_000,
    destinationPort: 80,
    direction: 'egress',
    isReply: false,
    decidedBy: CONTEXT.deciders.of({ subject: 300, peer: 301, direction: 'egress', protocol: 6, port: 80, outcome: 'passed-allowed' }),
    interfaceIndex: 7,
  });
});

for (const [what, fields, expected] of [
  [
    'one that comes to a pod goes the other way',
    { direction: 'ingress' },
    { verdict: 'forwarded', sourcePort: 80, destinationPort: 40_000 },
  ],
  ['Envoy has it', { outcome: 'passed-steered', slot: 61_001 }, { verdict: 'redirected', proxyPort: 61_001 }],
  ['it passes in audit mode', { outcome: 'passed-audited' }, { verdict: 'audit' }],
  ['a packet passes in audit mode', { kind: 'audited', outcome: 'dropped-denied' }, { verdict: 'audit', kind: 'packet-audited' }],
  [
    'a packet is dropped',
    { kind: 'dropped', outcome: 'dropped-denied' },
    { verdict: 'dropped', reason: 'dropped-denied', isReply: undefined },
  ],
  ['it ended', { kind: 'ended' }, { kind: 'connection-ended', traffic: { packets: 3n, bytes: 120n } }],
  ['it is an echo', { protocol: 1, icmpType: 8 }, { icmpType: 8 }],
  ['it is the reply to one', { kind: 'dropped', protocol: 1, icmpType: 0 }, { icmpType: 0 }],
  ['its type could not be read', { kind: 'dropped', protocol: 1 }, { icmpType: undefined, decidedBy: [] }],
] as const) {
  test(what, () => {
    const flow = heard({ ...EVENT, ...fields });
    assert.ok(flow);
    for (const [key, value] of Object.entries(expected)) assert.deepEqual(flow[key as keyof typeof flow], value, key);
  });
}

for (const [what, fields, expected] of [
  ['what comes in by the port of the pod', { direction: 'ingress' }, { direction: 'ingress', protocol: 6, port: 40_000 }],
  ['a message by its type', { protocol: 58, icmpType: 128, remotePort: 0 }, { direction: 'egress', protocol: 58, port: 128 }],
  ['the reply to an echo by the request', { protocol: 1, icmpType: 0 }, { direction: 'egress', protocol: 1, port: 8 }],
  ['one of IPv6, too', { protocol: 58, icmpType: 129 }, { direction: 'egress', protocol: 58, port: 128 }],
  ['what is dropped by why', { kind: 'dropped', outcome: 'dropped-denied' }, { direction: 'egress', protocol: 6, port: 80 }],
] as const) {
  test(`is judged: ${what}`, () => {
    const event = { ...EVENT, ...fields };
    const decided = CONTEXT.deciders.of({ subject: 300, peer: 301, ...expected, outcome: event.outcome });
    assert.deepEqual(heard(event)?.decidedBy, decided);
  });
}

test('what is not understood is no flow', () => {
  assert.equal(flowOfEvent(create(FlowEventSchema, { kind: FlowEvent_Kind.BEGUN }), CONTEXT), undefined);
  const [localAddress, remoteAddress] = [new Uint8Array(16), new Uint8Array(16)];
  assert.equal(flowOfEvent(create(FlowEventSchema, { localAddress, remoteAddress }), CONTEXT), undefined);
});
