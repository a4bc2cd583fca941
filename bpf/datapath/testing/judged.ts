import assert from 'node:assert/strict';
import type { DirectionPolicy, Identity, SubjectPolicy, Verdict } from '../../../model/index.ts';
import { ANY, IP_PROTOCOLS, RESERVED_IDENTITIES } from '../../../model/index.ts';
import { Datapath, type DatapathOptions, type Outcome, type ProgramName } from '../index.ts';

/** The loopback device, on which packets of test runs are seen. */
export const LOOPBACK = 1;
export const WEB: Identity = 1000;
export const CLIENT: Identity = 1001;
export const OTHER: Identity = 1002;
const SOURCES: Verdict['sources'] = [{ object: { kind: 'NetworkPolicy', namespace: 'default', name: 'test' }, path: [] }];

/** Small, so that they take no memory that matters. */
export const SMALL = { addresses: 1024, subjects: 64, verdictsOfSubject: 16_384, connections: 1024, fragments: 64 } as const;

export const ADDRESSES = {
  web: ['10.0.1.1', 'fd00:1::1'],
  client: ['10.0.1.2', 'fd00:1::2'],
  other: ['10.0.1.3', 'fd00:1::3'],
  host: ['10.0.0.1', 'fd00::1'],
  world: ['192.0.2.1', '2001:db8::1'],
  unknown: ['172.31.0.1', 'fc00::1'],
} as const;

/** On a link that others are on as well. */
export const LINK_LOCAL_OF_HOST = 'fe80::b';

export const OPEN: DirectionPolicy = { defaultDeny: false, verdicts: [] };
export const CLOSED: DirectionPolicy = { defaultDeny: true, verdicts: [] };

export function verdict(
  kind: Verdict['decision']['kind'],
  peer: Identity,
  protocol: number = ANY,
  port = 0,
  portPrefixLength = port === 0 ? 0 : 16,
): Verdict {
  const decision = kind === 'slot' ? { kind, slot: 'http' } : { kind };
  return { peer, protocol, port, portPrefixLength, decision, sources: SOURCES };
}

export function allow(peer: Identity, port = 0, protocol: number = IP_PROTOCOLS.TCP): Verdict {
  return port === 0 ? verdict('allow', peer) : verdict('allow', peer, protocol, port);
}

export function closedBut(...verdicts: readonly Verdict[]): DirectionPolicy {
  return { defaultDeny: true, verdicts };
}

export function openBut(...verdicts: readonly Verdict[]): DirectionPolicy {
  return { defaultDeny: false, verdicts };
}

/** A datapath whose only pod is `web` on the loopback device, and who is who. */
export class Judged implements Disposable {
  readonly datapath: Datapath;

  private constructor(datapath: Datapath) {
    this.datapath = datapath;
  }

  static async open(options: Partial<DatapathOptions> = {}): Promise<Judged> {
    const datapath = await Datapath.open({ pinFolder: '/sys/fs/bpf/sluice', sizes: SMALL, ...options });
    const entries = [
      ...ADDRESSES.web.map((address) => ({ address, identity: WEB })),
      ...ADDRESSES.client.map((address) => ({ address, identity: CLIENT })),
      ...ADDRESSES.other.map((address) => ({ address, identity: OTHER })),
      ...[...ADDRESSES.host, LINK_LOCAL_OF_HOST].map((address) => ({ address, identity: RESERVED_IDENTITIES.host })),
    ].map(({ address, identity }) => ({ prefix: `${address}/${address.includes(':') ? 128 : 32}`, identity }));
    await datapath.addresses.replace([
      ...entries,
      { prefix: '192.0.2.0/24', identity: RESERVED_IDENTITIES['world-ipv4'] },
      { prefix: '2001:db8::/32', identity: RESERVED_IDENTITIES['world-ipv6'] },
    ]);
    await datapath.endpoints.set(LOOPBACK, { identity: WEB, addresses: ADDRESSES.web });
    return new Judged(datapath);
  }

  async setPolicy(
    ingress: DirectionPolicy,
    egress: DirectionPolicy,
    { subject = WEB, ...flags }: Partial<SubjectPolicy> = {},
  ): Promise<void> {
    const policy: SubjectPolicy = { subject, ingress, egress, ...flags };
    await this.datapath.verdicts.set([policy]);
  }

  /** What becomes of a packet: the outcome that was counted. */
  outcomeOf(program: ProgramName, packet: Uint8Array, mark = 0): Outcome {
    const before = this.datapath.counters();
    const { isPassed } = this.datapath.testRun(program, packet, mark);
    const counted = this.datapath.counters().filter((counter) => {
      const old = before.find(({ direction, outcome }) => direction === counter.direction && outcome === counter.outcome);
      return counter.packets !== (old?.packets ?? 0n);
    });
    assert.equal(counted.length, 1, 'a packet has one outcome');
    const outcome = counted[0]?.outcome ?? 'passed-unjudged';
    assert.equal(isPassed, !outcome.startsWith('dropped-'), `${outcome} is what the program said`);
    return outcome;
  }

  [Symbol.dispose](): void {
    this.datapath.cleanUp();
  }
}
