import {
  ANY,
  type Decision,
  type DirectionPolicy,
  type FieldRef,
  formatPath,
  type Identity,
  objectKey,
  type PodEndpoint,
  RESERVED_IDENTITIES,
  type SubjectPolicy,
} from '../../model/index.ts';
import { AddressTable } from '../addresses/address-table.ts';
import type { PolicyChange } from '../engine.ts';
import { judgePacket } from '../verdicts/lookup.ts';

/** What agents make of the changes that an engine tells: the state of the kernel of every node. */
export class CompiledPolicy {
  readonly #addresses = new AddressTable();
  readonly #prefixes = new Map<string, Identity>();
  readonly #policies = new Map<Identity, SubjectPolicy>();
  readonly #endpoints = new Map<string, PodEndpoint>();
  #byAddress: ReadonlyMap<string, PodEndpoint> = new Map();
  readonly identities = new Map<Identity, readonly string[]>();

  apply({ addresses, policies, endpoints, identities }: PolicyChange): void {
    for (const prefix of addresses.removals) {
      this.#addresses.delete(prefix);
      this.#prefixes.delete(prefix);
    }
    for (const entry of addresses.upserts) {
      this.#addresses.put(entry);
      this.#prefixes.set(entry.prefix, entry.identity);
    }
    for (const identity of policies.removals) this.#policies.delete(identity);
    for (const policy of policies.upserts) this.#policies.set(policy.subject, policy);
    for (const endpoint of endpoints.removals) this.#endpoints.delete(endpointKey(endpoint));
    for (const endpoint of endpoints.upserts) this.#endpoints.set(endpointKey(endpoint), endpoint);
    this.#byAddress = new Map([...this.#endpoints.values()].flatMap((each) => each.addresses.map((address) => [address, each])));
    for (const identity of identities.removals) this.identities.delete(identity);
    for (const { identity, labels } of identities.upserts) this.identities.set(identity, labels);
  }

  /** All of it with labels in place of numbers, so that states compare whose numbers were given in another order. */
  get described(): object {
    const name = (identity: Identity) => (identity === ANY ? 'any' : (this.identities.get(identity)?.join() ?? `nobody's ${identity}`));
    const direction = ({ defaultDeny, verdicts }: DirectionPolicy) => ({
      defaultDeny,
      verdicts: verdicts
        .map(({ peer, decision, sources, ...key }) => `${name(peer)} ${JSON.stringify([key, decision, sources.map(describeSource)])}`)
        .sort(),
    });
    const policies = [...this.#policies.values()].map(({ subject, ingress, egress }): [string, object] => [
      name(subject),
      { ingress: direction(ingress), egress: direction(egress) },
    ]);
    return {
      identities: [...this.identities.values()].map((labels) => labels.join()).sort(),
      addresses: Object.fromEntries([...this.#prefixes].map(([prefix, identity]): [string, string] => [prefix, name(identity)]).sort()),
      endpoints: [...this.#endpoints.values()].map(({ identity, ...rest }) => JSON.stringify([name(identity), rest])).sort(),
      policies: Object.fromEntries(policies),
    };
  }

  /**
   * Judges a packet at both doors that it passes.
   * @param hosts the addresses of each node, which are its `host`
   */
  judge(from: string, to: string, protocol: number, port: number, hosts: ReadonlyMap<string, readonly string[]>): Decision['kind'] {
    const sender = this.#byAddress.get(from);
    const receiver = this.#byAddress.get(to);
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

function describeSource({ object, path }: FieldRef): string {
  return `${objectKey(object)} ${formatPath(path)}`;
}

function endpointKey({ pod, uid }: PodEndpoint): string {
  return `${objectKey(pod)} ${uid}`;
}
