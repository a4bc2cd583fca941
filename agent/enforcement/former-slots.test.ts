import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Identity, PodEndpoint, SubjectPolicy } from '../../model/index.ts';
import type { TcpSocket } from '../netlink/index.ts';
import { LEG_MARKS } from '../network/index.ts';
import { FormerSlots } from './former-slots.ts';

const [WEB, OTHER, CLIENT, HOST] = [300, 400, 500, 1];
const [WEB_ADDRESS, CLIENT_ADDRESS, OWN_NODE] = ['10.0.0.2', '10.0.0.9', '10.0.0.1'];
const [SLOT, OTHER_SLOT] = [10_001, 10_002];

function pod(ifindex: number, identity: Identity, address: string) {
  const ref = { kind: 'Pod', namespace: 'shop', name: `pod-${ifindex}` } as const;
  const endpoint: PodEndpoint = { pod: ref, uid: ref.name, node: 'n1', addresses: [address], identity };
  return { ifindex, name: `veth${ifindex}`, namespace: 0, mac: undefined, addresses: [], endpoint };
}

/** @param port that it takes something at, to have another */
function policy(subject: Identity, port = 80, rest: Partial<SubjectPolicy> = {}): SubjectPolicy {
  const verdict = { peer: CLIENT, protocol: 6, port, portPrefixLength: 16, decision: { kind: 'allow' }, sources: [] } as const;
  const nothing = { defaultDeny: true, verdicts: [] };
  return { subject, ingress: { defaultDeny: true, verdicts: [verdict] }, egress: nothing, ...rest };
}

type Ends = Pick<TcpSocket, 'source' | 'sourcePort' | 'destination' | 'destinationPort'>;

/** Both of Envoy's connections for a client of a pod. */
function legs(client: string, web = WEB_ADDRESS): readonly [Ends, Ends] {
  return [
    { source: web, sourcePort: 80, destination: client, destinationPort: 40_000 },
    { source: client, sourcePort: 64_000, destination: web, destinationPort: 80 },
  ];
}

/** A node, and what its Envoy has open. */
class Scene {
  slot: number | undefined = SLOT;
  readonly policies = new Map([WEB, OTHER].map((subject) => [subject, policy(subject)]));
  failure: string | undefined;
  readonly failures: string[] = [];
  readonly ended: string[] = [];
  #open: readonly TcpSocket[] = [];
  #lists = 0;
  readonly #slots = new FormerSlots({
    datapath: {
      addresses: { identityOf: (address) => (address === OWN_NODE ? HOST : CLIENT) },
      verdicts: {
        judge: (subject, direction, opened) => {
          assert.equal(direction, 'ingress');
          return opened.map(({ peer, port }) => (subject === OTHER ? SLOT : peer === CLIENT && port === 80 ? this.slot : undefined));
        },
      },
    },
    policyOf: (subject) => this.policies.get(subject),
    connections: {
      list: ({ mark: wanted, mask }) => {
        if (this.failure !== undefined) throw new Error(this.failure);
        this.#lists += 1;
        return this.#open.filter(({ mark }) => (mark & mask) === wanted);
      },
      destroy: ({ mark }) => this.ended.push((mark & LEG_MARKS.mask).toString(16)) > 0,
    },
    onFailure: ({ message }) => this.failures.push(message),
  });

  open(port: number, [accepted, opened]: readonly [Ends, Ends]): void {
    const socketOf = (kind: number, ends: Ends): TcpSocket => ({
      family: 'ipv4',
      ...ends,
      mark: (port << 16) | kind,
      id: new Uint8Array(),
    });
    this.#open = [
      socketOf(LEG_MARKS.ingressUpstream, opened),
      socketOf(LEG_MARKS.ingressListener, accepted),
      socketOf(LEG_MARKS.egressListener, accepted),
      socketOf(LEG_MARKS.egressUpstream, opened),
    ];
  }

  forget(): void {
    this.#slots.forget();
  }

  /** @returns the marks of what was ended, in order, and how often connections were listed */
  end(identity = WEB): readonly [readonly string[], number] {
    const lists = this.#lists;
    this.#slots.end([pod(5, identity, WEB_ADDRESS), pod(6, OTHER, '10.0.0.3')]);
    return [this.ended.splice(0), this.#lists - lists];
  }

  /** The same after everybody may be somebody else. */
  endAll(): readonly string[] {
    this.forget();
    return this.end()[0];
  }
}

const BOTH = ['a00', 'c00'];

describe('connections of slots that do not hold any more', () => {
  test('end at ingress, that of the client first', () => {
    const scene = new Scene();
    scene.open(SLOT, legs(CLIENT_ADDRESS));
    assert.deepEqual(scene.endAll(), [], 'the slot holds');
    scene.slot = OTHER_SLOT;
    assert.deepEqual(scene.endAll(), BOTH, 'it is another');
    scene.slot = undefined;
    assert.deepEqual(scene.endAll(), BOTH, 'it may not be');
  });

  test('go on where what Envoy has let by passes', () => {
    const scene = new Scene();
    scene.open(SLOT, legs(CLIENT_ADDRESS));
    scene.slot = 0;
    assert.deepEqual(scene.endAll(), [], 'no slot decides');
    scene.policies.set(WEB, policy(WEB, 80, { audits: true }));
    scene.slot = undefined;
    assert.deepEqual(scene.endAll(), [], 'what is denied passes');
    scene.slot = OTHER_SLOT;
    assert.deepEqual(scene.endAll(), BOTH);
  });

  test('go on where it is not known who the peer is, or the pod is none of the node', () => {
    const scene = new Scene();
    scene.slot = OTHER_SLOT;
    scene.open(SLOT, legs(OWN_NODE));
    assert.deepEqual(scene.endAll(), []);
    scene.open(SLOT, legs(CLIENT_ADDRESS, '10.0.0.4'));
    assert.deepEqual(scene.endAll(), []);
  });

  test('are looked for where something else decides of a pod of the node', () => {
    const scene = new Scene();
    scene.slot = OTHER_SLOT;
    scene.open(SLOT, legs(CLIENT_ADDRESS));
    assert.deepEqual(scene.end(), [BOTH, 2], 'nothing is known of before');
    assert.deepEqual(scene.end(), [[], 0]);
    scene.policies.set(WEB, policy(WEB));
    assert.deepEqual(scene.end(), [[], 0], 'it says the same');
    scene.policies.set(WEB, policy(WEB, 80, { egress: { defaultDeny: false, verdicts: [] } }));
    assert.deepEqual(scene.end(), [[], 0], 'what the pod opens is another matter');
    scene.policies.set(OTHER, policy(OTHER, 81));
    assert.deepEqual(scene.end(), [[], 2], 'another pod is concerned');
    scene.policies.set(WEB, policy(WEB, 81));
    assert.deepEqual(scene.end(), [BOTH, 2]);
    scene.policies.set(WEB, policy(WEB, 81, { audits: true }));
    assert.deepEqual(scene.end(), [BOTH, 2]);
    assert.deepEqual(scene.end(OTHER), [[], 2], 'the pod is somebody else, for whom the slot holds');
    assert.deepEqual(scene.end(), [BOTH, 2]);
    scene.forget();
    assert.deepEqual(scene.end(), [BOTH, 2], 'the client is somebody else');
  });

  test('stay where the kernel refuses, of which is told once, and are ended when this is asked again', () => {
    const scene = new Scene();
    scene.slot = OTHER_SLOT;
    scene.open(SLOT, legs(CLIENT_ADDRESS));
    scene.failure = 'refused';
    scene.end();
    assert.deepEqual([scene.end(), scene.failures], [[[], 0], ['refused']]);
    scene.failure = undefined;
    assert.deepEqual(scene.end(), [BOTH, 2]);
  });
});
