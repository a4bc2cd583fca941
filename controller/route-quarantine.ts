import type { Diagnostic, FieldRef } from '../model/index.ts';
import type { Outcome } from '../xds-server/serve/outcome.ts';
import type { ResourceChange } from '../xds-server/serve/resource.ts';
import { type EncodedVirtualHost, refusingVirtualHost } from '../xds-server/translate/virtual-hosts.ts';
import type { QuarantinedHost } from './pipeline/route-resources.ts';
import { rejectedByEnvoy } from './rejected-by-envoy.ts';

/** What the quarantine needs of the pipeline. */
export interface QuarantinedRoutes {
  /** What a shard is made of at present, in its current version. */
  routeShard(name: string): { readonly version: string; readonly hosts: readonly EncodedVirtualHost[] } | undefined;
  /** Puts something in the place of virtual hosts, for as long as they have the version that is named; undefined ends it. */
  quarantine(hosts: ReadonlyMap<string, QuarantinedHost | undefined>): ResourceChange;
  /** The version that a virtual host has of itself, whatever stands in its place. */
  virtualHostVersion(key: string): string | undefined;
  virtualHostSources(key: string): readonly FieldRef[];
}

type Hosts = ReadonlyMap<string, EncodedVirtualHost>;

/**
 * Finds the virtual host for which a client refused a whole shard, and takes it out, so that its neighbours stay up to date.
 * In its place stands what was good before, else an answer of 500: never nothing, which would let its requests through to a
 * wildcard host.
 *
 * The suspects are the virtual hosts that the client has not accepted yet. Several are told apart by trying halves: one
 * stays on trial while the other waits.
 */
export class RouteQuarantine {
  readonly #routes: QuarantinedRoutes;
  /** By shard: what a client accepted last. */
  readonly #accepted = new Map<string, { readonly version: string; readonly hosts: Hosts }>();
  /** By shard: groups of suspects that wait for their trial. */
  readonly #waiting = new Map<string, (readonly EncodedVirtualHost[])[]>();
  /** By virtual host: what it was refused for. */
  readonly #guilty = new Map<string, { readonly version: string; readonly message: string }>();
  /** Answers of 500, which nobody has to accept before they count as good. */
  readonly #substitutes = new WeakSet<EncodedVirtualHost>();

  constructor(routes: QuarantinedRoutes) {
    this.#routes = routes;
  }

  /** Takes in what a client says of a shard; returns what has to be published for it, in this order. */
  note({ name, version, outcome, message, removed }: Outcome): readonly ResourceChange[] {
    const changes: ResourceChange[] = [];
    const shard = this.#routes.routeShard(name);
    if (!removed && shard?.version === version) {
      if (outcome === 'nack') changes.push(...this.#refuse(name, shard.hosts, message));
      else this.#accept(name, version, shard.hosts);
    }
    for (let group = this.#nextGroup(); group; group = this.#nextGroup()) {
      changes.push(this.#routes.quarantine(new Map(group.map((host) => [keyOf(host), undefined]))));
    }
    return changes;
  }

  diagnostics(): Diagnostic[] {
    const found: Diagnostic[] = [];
    for (const [key, { version, message }] of this.#guilty) {
      if (this.#routes.virtualHostVersion(key) !== version) {
        this.#guilty.delete(key);
        continue;
      }
      found.push(...rejectedByEnvoy(`Envoy refused the routes: ${message}`, this.#routes.virtualHostSources(key)));
    }
    return found;
  }

  #accept(name: string, version: string, hosts: readonly EncodedVirtualHost[]): void {
    const good = hosts.filter((host) => !this.#substitutes.has(host));
    this.#accepted.set(name, { version, hosts: new Map(good.map((host) => [keyOf(host), host])) });
    for (const shard of this.#accepted.keys()) if (!this.#routes.routeShard(shard)) this.#accepted.delete(shard);
  }

  #refuse(name: string, hosts: readonly EncodedVirtualHost[], message: string): ResourceChange[] {
    const suspects = hosts.filter((host) => !this.#substitutes.has(host) && !this.#isAccepted(host));
    const [suspect] = suspects;
    if (!suspect) return [];
    if (suspects.length === 1) this.#guilty.set(keyOf(suspect), { version: suspect.version, message });
    const aside = suspects.slice(Math.floor(suspects.length / 2));
    if (suspects.length > 1) this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), aside]);
    return [this.#routes.quarantine(new Map(aside.map((host) => [keyOf(host), this.#substituteFor(host)])))];
  }

  /**
   * Those whose turn it is to be tried: at a shard that has nothing on trial, of which the client will therefore say nothing
   * more, or that is no more. Who has changed while waiting is on trial as it is, and who was found guilty elsewhere has been.
   */
  #nextGroup(): readonly EncodedVirtualHost[] | undefined {
    for (const [name, groups] of this.#waiting) {
      const version = this.#routes.routeShard(name)?.version;
      if (version !== undefined && version !== this.#accepted.get(name)?.version) continue;
      for (let group = groups.pop(); group; group = groups.pop()) {
        const current = group.filter((host) => this.#isCurrent(host) && !this.#isGuilty(host));
        if (current.length > 0) return current;
      }
      this.#waiting.delete(name);
    }
    return undefined;
  }

  #isCurrent(host: EncodedVirtualHost): boolean {
    return this.#routes.virtualHostVersion(keyOf(host)) === host.version;
  }

  #isGuilty(host: EncodedVirtualHost): boolean {
    return this.#guilty.get(keyOf(host))?.version === host.version;
  }

  /** In whichever shard: a table may be served in two forms, which share their virtual hosts. */
  #isAccepted(host: EncodedVirtualHost): boolean {
    const key = keyOf(host);
    return this.#accepted.values().some(({ hosts }) => hosts.get(key)?.version === host.version);
  }

  #substituteFor(host: EncodedVirtualHost): QuarantinedHost {
    const key = keyOf(host);
    for (const { hosts } of this.#accepted.values()) {
      const instead = hosts.get(key);
      if (instead) return { refused: host.version, instead };
    }
    const instead = refusingVirtualHost(host);
    this.#substitutes.add(instead);
    return { refused: host.version, instead };
  }
}

function keyOf({ table, host }: EncodedVirtualHost): string {
  return `${table} ${host}`;
}
