import { type Decision, type Identity, type PodEndpoint, RESERVED_IDENTITIES, type SubjectPolicy } from '../../model/index.ts';
import { AddressTable } from '../addresses/address-table.ts';
import type { PolicyChange } from '../engine.ts';
import { judgePacket } from '../verdicts/lookup.ts';

/** What agents make of the changes that an engine tells: the state of the kernel of every node. */
export class CompiledPolicy {
  readonly #addresses = new AddressTable();
  readonly #policies = new Map<Identity, SubjectPolicy>();
  readonly #endpoints = new Map<string, PodEndpoint>();
  readonly identities = new Map<Identity, readonly string[]>();

  apply({ addresses, policies, endpoints, identities }: PolicyChange): void {
    for (const prefix of addresses.removals) this.#addresses.delete(prefix);
    for (const entry of addresses.upserts) this.#addresses.put(entry);
    for (const identity of policies.removals) this.#policies.delete(identity);
    for (const policy of policies.upserts) this.#policies.set(policy.subject, policy);
    for (const endpoint of endpoints.removals) for (const address of endpoint.addresses) this.#endpoints.delete(address);
    for (const endpoint of endpoints.upserts) for (const address of endpoint.addresses) this.#endpoints.set(address, endpoint);
    for (const identity of identities.removals) this.identities.delete(identity);
    for (const { identity, labels } of identities.upserts) this.identities.set(identity, labels);
  }

  /**
   * Judges a packet at both doors that it passes.
   * @param hosts the addresses of each node, which are its `host`
   */
  judge(from: string, to: string, protocol: number, port: number, hosts: ReadonlyMap<string, readonly string[]>): Decision['kind'] {
    const sender = this.#endpoints.get(from);
    const receiver = this.#endpoints.get(to);
    const egress = sender ? this.#judgeAt(sender, 'egress', to, protocol, port, hosts) : 'allow';
    const ingress = receiver ? this.#judgeAt(receiver, 'ingress', from, protocol, port, hosts) : 'allow';
    return egress === 'allow' ? ingress : egress;
  }

  #judgeAt(
    { identity, node }: PodEndpoint,
    direction: 'ingress' | 'egress',
    other: string,
    protocol: number,
    port: number,
    hosts: ReadonlyMap<string, readonly string[]>,
  ): Decision['kind'] {
    const policy = this.#policies.get(identity);
    if (!policy) throw new Error(`no policy for identity ${identity}`);
    const isHost = hosts.get(node)?.includes(other) ?? false;
    const peer = isHost ? RESERVED_IDENTITIES.host : this.#addresses.find(other);
    if (peer === undefined) throw new Error(`nobody has ${other}`);
    return judgePacket(policy[direction], peer, protocol, port).decision.kind;
  }
}
