import { isDeepStrictEqual } from 'node:util';
import { type HttpRequest, judgeRequest, normalizeRequest, passOn } from '../../l7-filters/http/index.ts';
import { findServerName } from '../../l7-filters/tls/index.ts';
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
  type Slot,
  type SubjectPolicy,
} from '../../model/index.ts';
import { AddressTable } from '../addresses/address-table.ts';
import type { PolicyChange } from '../engine.ts';
import { judgePacket } from '../verdicts/lookup.ts';

/** What is said on a connection, as either kind of slot reads it. */
export interface SlotTalk {
  readonly request: HttpRequest;
  readonly serverName: string;
}

/** How Envoys serve, unless settings say otherwise. */
const SERVING = { pathNormalization: 'full', headersWithUnderscores: 'allow' } as const;

/** What becomes of what is said on a connection. */
export type TalkOutcome = 'allowed' | 'denied by layer 4' | 'denied by layer 7' | 'answered by Envoy';

/** What agents make of the changes that an engine tells: the state of the kernel of every node. */
export class CompiledPolicy {
  readonly #addresses = new AddressTable();
  readonly #prefixes = new Map<string, Identity>();
  readonly #policies = new Map<Identity, SubjectPolicy>();
  readonly #endpoints = new Map<string, PodEndpoint>();
  #byAddress: ReadonlyMap<string, PodEndpoint> = new Map();
  readonly #slots = new Map<string, Slot>();
  readonly identities = new Map<Identity, readonly string[]>();

  /** Throws where a change leaves a verdict without its slot, or says again what is known. */
  apply({ addresses, policies, endpoints, identities, slots }: PolicyChange): void {
    for (const name of slots.removals) if (!this.#slots.delete(name)) throw new Error(`slot ${name} is removed and was not there`);
    for (const slot of slots.upserts) {
      if (isDeepStrictEqual(this.#slots.get(slot.name), slot)) throw new Error(`slot ${slot.name} is told again`);
      this.#slots.set(slot.name, slot);
    }
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
    this.#checkSlots();
  }

  /** Slots by their names. */
  get slots(): ReadonlyMap<string, Slot> {
    return this.#slots;
  }

  #checkSlots(): void {
    const verdicts = [...this.#policies.values()].flatMap(({ ingress, egress }) => [...ingress.verdicts, ...egress.verdicts]);
    const named = new Set(verdicts.flatMap(({ decision }) => (decision.kind === 'slot' ? decision.slot : [])));
    for (const name of named) if (!this.#slots.has(name)) throw new Error(`no slot ${name}`);
    for (const name of this.#slots.keys()) if (!named.has(name)) throw new Error(`slot ${name} is in no verdict`);
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
      slots: Object.fromEntries([...this.#slots].sort()),
    };
  }

  /**
   * Judges a packet at both doors that it passes.
   * @param hosts the addresses of each node, which are its `host`
   */
  judge(from: string, to: string, protocol: number, port: number, hosts: ReadonlyMap<string, readonly string[]>): Decision['kind'] {
    const sender = this.#byAddress.get(from);
    const receiver = this.#byAddress.get(to);
    const egress = sender ? this.#judgeAt(sender, 'egress', to, protocol, port, hosts).kind : 'allow';
    const ingress = receiver ? this.#judgeAt(receiver, 'ingress', from, protocol, port, hosts).kind : 'allow';
    return egress === 'deny' || ingress === 'allow' ? egress : ingress;
  }

  /** Like {@link judge}, with what is said once the connection is there. */
  judgeTalk(
    { from, to, protocol, port }: { readonly from: string; readonly to: string; readonly protocol: number; readonly port: number },
    said: SlotTalk,
    hosts: ReadonlyMap<string, readonly string[]>,
  ): TalkOutcome {
    const sender = this.#byAddress.get(from);
    const receiver = this.#byAddress.get(to);
    const doors = [
      sender ? [this.#judgeAt(sender, 'egress', to, protocol, port, hosts)] : [],
      receiver ? [this.#judgeAt(receiver, 'ingress', from, protocol, port, hosts)] : [],
    ].flat();
    let talk = said;
    for (const decision of doors) {
      if (decision.kind === 'deny') return 'denied by layer 4';
      if (decision.kind !== 'slot') continue;
      const passed = this.#passSlot(decision.slot, talk);
      if (typeof passed === 'string') return passed;
      talk = passed;
    }
    return 'allowed';
  }

  /** @returns what goes on, where it does */
  #passSlot(name: string, talk: SlotTalk): SlotTalk | TalkOutcome {
    const slot = this.#slots.get(name);
    if (!slot) throw new Error(`no slot ${name}`);
    const { rules, allowsAll } = slot;
    const isOpen = allowsAll.length > 0;
    if (rules.kind === 'tls') return isOpen || findServerName(rules.rules, talk.serverName) ? talk : 'denied by layer 7';
    const normalized = normalizeRequest(talk.request, SERVING);
    if (normalized.kind !== 'request') return 'answered by Envoy';
    const { request } = normalized;
    if (!isOpen && judgeRequest(rules.rules, request, SERVING).decision !== 'allow') return 'denied by layer 7';
    return { ...talk, request: passOn(rules.rules, request, SERVING) };
  }

  #judgeAt(
    { identity, node }: PodEndpoint,
    direction: 'ingress' | 'egress',
    other: string,
    protocol: number,
    port: number,
    hosts: ReadonlyMap<string, readonly string[]>,
  ): Decision {
    const policy = this.#policies.get(identity);
    if (!policy) throw new Error(`no policy for identity ${identity}`);
    const isHost = hosts.get(node)?.includes(other) ?? false;
    const peer = isHost ? RESERVED_IDENTITIES.host : this.#addresses.find(other);
    if (peer === undefined) throw new Error(`nobody has ${other}`);
    const { decision } = judgePacket(policy[direction], peer, protocol, port);
    // The kernel asks nobody else about a pod's own node.
    return isHost && direction === 'ingress' && decision.kind === 'slot' ? { kind: 'allow' } : decision;
  }
}

function describeSource({ object, path }: FieldRef): string {
  return `${objectKey(object)} ${formatPath(path)}`;
}

function endpointKey({ pod, uid }: PodEndpoint): string {
  return `${objectKey(pod)} ${uid}`;
}
