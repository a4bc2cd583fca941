import type { Directory, FlowPeer } from '../../flows/index.ts';
import { compareText, type Identity, RESERVED_IDENTITIES } from '../../model/index.ts';
import {
  ADDRESS_TYPE,
  IDENTITY_TYPE,
  type PublishedChange,
  type ResourceName,
  SERVICE_TYPE,
  type SnapshotCache,
} from '../../xds-server/serve/index.ts';
import { decodeAddress, decodeIdentity } from '../enforcement/decode.ts';
import { decodeService } from '../enforcement/decode-services.ts';
import { podAt } from './pod-names.ts';
import { PrefixTable } from './prefix-table.ts';

/** By which Kubernetes' namespace stands among the labels of an identity. */
const NAMESPACE = 'k8s:io.kubernetes.pod.namespace=';

/** Of so many it is remembered who they are. */
const MOST_PEERS = 8_192;

interface Name {
  readonly namespace: string;
  readonly name: string;
}

interface Named {
  readonly key: string;
  readonly service: Name;
}

/** Who an address is, by what the enforcer of this node is told. What this version cannot read says nothing. */
export class NodeDirectory implements Directory, Disposable {
  readonly #cache: Pick<SnapshotCache, 'get' | 'ofType' | 'watch'>;
  readonly #identities = new PrefixTable<Identity>();
  readonly #labels = new Map<Identity, readonly string[]>();
  /** The Services of each address, by their keys, sorted: several may have one, and the first names it. */
  readonly #services = new Map<string, readonly Named[]>();
  /** The addresses of each Service, by its key. */
  readonly #addressesOf = new Map<string, readonly string[]>();
  /** Those who were asked for since anything changed, by address and identity: each flow names two, and most are of few. */
  readonly #peers = new Map<string, FlowPeer>();
  readonly #stop: () => void;

  constructor(cache: Pick<SnapshotCache, 'get' | 'ofType' | 'watch'>) {
    this.#cache = cache;
    for (const typeUrl of [ADDRESS_TYPE, IDENTITY_TYPE, SERVICE_TYPE]) {
      for (const name of cache.ofType(typeUrl).keys()) this.#learn({ typeUrl, name });
    }
    this.#stop = cache.watch(({ names }: PublishedChange) => {
      for (const name of names) this.#learn(name);
    });
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  peerOf(address: string, identity?: Identity): FlowPeer {
    const key = identity === undefined ? address : `${address} ${identity}`;
    return this.#peers.get(key) ?? this.#remember(key, this.#find(address, identity ?? this.#identityOf(address)));
  }

  chosenFor(asked: string, address: string): FlowPeer {
    const key = `${address} for ${asked}`;
    const known = this.#peers.get(key);
    if (known) return known;
    const service = this.#serviceAt(asked);
    const peer = this.peerOf(address);
    return this.#remember(key, service ? { ...peer, service } : peer);
  }

  #remember(key: string, peer: FlowPeer): FlowPeer {
    if (this.#peers.size >= MOST_PEERS) this.#peers.clear();
    this.#peers.set(key, peer);
    return peer;
  }

  #find(address: string, identity: Identity): FlowPeer {
    const labels = this.#labels.get(identity) ?? [];
    const pod = podAt(this.#cache, address);
    const service = this.#serviceAt(address);
    const namespace = pod?.namespace ?? labels.find((label) => label.startsWith(NAMESPACE))?.slice(NAMESPACE.length);
    return {
      address,
      identity,
      labels,
      ...(namespace !== undefined && { namespace }),
      ...(pod && { pod: pod.name, workload: pod.workload }),
      ...(service && { service }),
    };
  }

  #identityOf(address: string): Identity {
    return orNothing(() => this.#identities.find(address)) ?? RESERVED_IDENTITIES.unknown;
  }

  #learn(name: ResourceName): void {
    this.#peers.clear();
    const body = this.#cache.get(name)?.body;
    switch (name.typeUrl) {
      case ADDRESS_TYPE:
        orNothing(() => this.#learnAddress(name.name, body));
        break;
      case IDENTITY_TYPE:
        orNothing(() => this.#learnIdentity(name.name, body));
        break;
      case SERVICE_TYPE:
        this.#learnService(name.name, body);
        break;
      default:
    }
  }

  #learnAddress(prefix: string, body: Uint8Array | undefined): void {
    if (body) this.#identities.set(prefix, decodeAddress(prefix, body).identity);
    else this.#identities.delete(prefix);
  }

  #learnIdentity(name: string, body: Uint8Array | undefined): void {
    if (body) this.#labels.set(Number(name), decodeIdentity(name, body).labels);
    else this.#labels.delete(Number(name));
  }

  #learnService(key: string, body: Uint8Array | undefined): void {
    for (const address of this.#addressesOf.get(key) ?? []) this.#rename(address, key);
    this.#addressesOf.delete(key);
    const service = body && orNothing(() => decodeService(key, body));
    if (!service) return;
    const { metadata, spec, status } = service;
    const ofLoadBalancers = status?.loadBalancer?.ingress ?? [];
    const addresses = [...spec.clusterIPs, ...spec.externalIPs, ...ofLoadBalancers.flatMap(({ ip }) => ip ?? [])];
    this.#addressesOf.set(key, addresses);
    const { namespace, name } = metadata;
    for (const address of addresses) this.#rename(address, key, { namespace, name });
  }

  /** @param service absent: the one of this key has the address no more */
  #rename(address: string, key: string, service?: Name): void {
    const others = (this.#services.get(address) ?? []).filter((each) => each.key !== key);
    const all = service ? [...others, { key, service }].sort((a, b) => compareText(a.key, b.key)) : others;
    if (all.length > 0) this.#services.set(address, all);
    else this.#services.delete(address);
  }

  #serviceAt(address: string): Name | undefined {
    return this.#services.get(address)?.[0]?.service;
  }
}

function orNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
