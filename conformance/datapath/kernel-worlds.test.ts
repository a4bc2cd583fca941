import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { Datapath, type ProgramName } from '../../bpf/datapath/index.ts';
import { LOOPBACK } from '../../bpf/datapath/testing/judged.ts';
import { echo, packet, sctp, TCP, tcp, udp } from '../../bpf/datapath/testing/packets.ts';
import { enterOwnNamespaces } from '../../bpf/libbpf-ts/testing/own-namespaces.ts';
import { type AddressEntry, IP_PROTOCOLS, type PodEndpoint, RESERVED_IDENTITIES } from '../../model/index.ts';
import type { PolicyChange } from '../../policy/index.ts';
import { judge, type Packet } from '../../policy/oracle/judge.ts';
import type { PlainObject } from '../../policy/oracle/objects.ts';
import { compileAll, hostsOf } from '../../policy/testing/compile.ts';
import { packetsIn } from '../../policy/testing/packets.ts';
import { randomWorld } from '../../policy/testing/random-world.ts';
import { needs } from '../../testkit/capabilities.ts';

enterOwnNamespaces();

// What the kernel says of every packet of a world, at the door of the sender and that of the receiver, without any network in between: nothing to
// wait for, and protocols that no test opens connections of.

const SEED = Number(process.env['SLUICE_POLICY_SEED'] ?? Date.now() % 1_000_000);
const WORLDS = Number(process.env['SLUICE_POLICY_RUNS'] ?? 40);
const SIZES = { addresses: 4_096, subjects: 128, verdictsOfSubject: 16_384, connections: 4_096, fragments: 64 };
const [FIRST_PORT, LAST_PORT] = [10_000, 60_000];
const PROTOCOLS: Readonly<Record<string, number>> = IP_PROTOCOLS;

/** The first packet of a conversation. @param source a port, or the identifier of an echo */
function opening({ from, to, protocol, port }: Packet, source: number): Uint8Array {
  const payloads: Readonly<Record<string, () => Uint8Array>> = {
    TCP: () => tcp(source, port, TCP.SYN),
    UDP: () => udp(source, port),
    SCTP: () => sctp(source, port),
    ICMP: () => echo(port, source),
    ICMPv6: () => echo(port, source),
  };
  const payload = payloads[protocol];
  assert.ok(payload, protocol);
  return packet({ from, to, protocol: PROTOCOLS[protocol] ?? 0 }, payload());
}

/** Whose each address is for a node: its own are the host's. */
function addressesAt(node: string, { addresses }: PolicyChange, hosts: ReadonlyMap<string, readonly string[]>): AddressEntry[] {
  const own = (hosts.get(node) ?? []).map((address) => ({
    prefix: `${address}/${address.includes(':') ? 128 : 32}`,
    identity: RESERVED_IDENTITIES.host,
  }));
  const prefixes = new Set(own.map(({ prefix }) => prefix));
  return [...addresses.upserts.filter(({ prefix }) => !prefixes.has(prefix)), ...own];
}

describe(`every packet of a world, from seed ${SEED} (SLUICE_POLICY_SEED)`, needs('root', 'bpf'), () => {
  let datapath: Datapath;
  let source = FIRST_PORT;
  before(async () => {
    datapath = await Datapath.open({ pinFolder: '/sys/fs/bpf/sluice', sizes: SIZES });
  });
  after(() => datapath?.cleanUp());

  /** Those of the packets that the door of a pod drops. */
  async function droppedAt({ identity, addresses }: PodEndpoint, packets: readonly Packet[]): Promise<Packet[]> {
    await datapath.endpoints.set(LOOPBACK, { identity, addresses });
    const isDropped = (program: ProgramName, each: Packet) => {
      source = source === LAST_PORT ? FIRST_PORT : source + 1;
      return !datapath.testRun(program, opening(each, source)).isPassed;
    };
    return packets.filter((each) => {
      const isOut = addresses.includes(each.from);
      if (isOut && addresses.includes(each.to)) return false;
      if (isOut) return isDropped('from_pod', each);
      return addresses.includes(each.to) && isDropped('to_pod', each);
    });
  }

  async function disagreements(objects: readonly PlainObject[]): Promise<string[]> {
    const { change } = compileAll(objects);
    const hosts = hostsOf(objects);
    const packets = [...packetsIn(objects)];
    const dropped = new Set<Packet>();
    await datapath.verdicts.replace(change.policies.upserts);
    for (const node of hosts.keys()) {
      await datapath.addresses.replace(addressesAt(node, change, hosts));
      for (const endpoint of change.endpoints.upserts.filter((each) => each.node === node))
        for (const each of await droppedAt(endpoint, packets)) dropped.add(each);
    }
    return packets.flatMap((each) => {
      // Where layer 7 decides, nothing listens here that could.
      const [actual, expected] = [dropped.has(each) ? 'deny' : 'allow', judge(objects, each) === 'allow' ? 'allow' : 'deny'];
      return actual === expected ? [] : `${JSON.stringify(each)}: ${actual}, the oracle says ${expected}`;
    });
  }

  test(`is judged by the kernel as the oracle does, in ${WORLDS} worlds`, { timeout: 600_000 }, async () => {
    const property = fc.asyncProperty(randomWorld(), async ({ objects }) => {
      assert.deepEqual((await disagreements(objects)).slice(0, 5), []);
    });
    await fc.assert(property, { seed: SEED, numRuns: WORLDS });
    const outcomes = new Set(datapath.counters().map(({ outcome }) => outcome));
    for (const outcome of ['passed-allowed', 'passed-unrestricted', 'passed-host', 'dropped-denied', 'dropped-not-allowed'] as const)
      assert.ok(outcomes.has(outcome), `nothing was ${outcome}`);
    assert.deepEqual(
      [...outcomes].filter((outcome) => /no-policy|no-endpoint|spoofed|malformed|truncated|martian|other-destination/.test(outcome)),
      [],
    );
  });
});
