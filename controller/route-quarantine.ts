import type { Diagnostic, FieldRef } from '../model/index.ts';
import type { Outcome } from '../xds-server/serve/outcome.ts';
import type { ResourceChange } from '../xds-server/serve/resource.ts';
import { type EncodedVirtualHost, refusingVirtualHost } from '../xds-server/translate/virtual-hosts.ts';
import type { QuarantinedHost } from './pipeline/route-resources.ts';

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
 * The suspects are the virtual hosts that the client has not accepted yet. Several are told apart by trying halves.
 */
export class RouteQuarantine {
  readonly #routes: QuarantinedRoutes;
  /** By shard: what a client accepted last. */
  readonly #accepted = new Map<string, Hosts>();
  /** By shard: groups of suspects that wait for their trial. */
  readonly #waiting = new Map<string, EncodedVirtualHost[][]>();
  /** By virtual host: what it was refused for. */
  readonly #guilty = new Map<string, { readonly version: string; readonly message: string }>();
  /** Answers of 500, which nobody has to accept before they count as good. */
  readonly #substitutes = new WeakSet<EncodedVirtualHost>();

  constructor(routes: QuarantinedRoutes) {
    this.#routes = routes;
  }

  /** Takes in what a client says of a shard; returns what has to be published for it, if anything. */
  note({ name, version, outcome, message, removed }: Outcome): ResourceChange | undefined {
    const shard = this.#routes.routeShard(name);
    if (removed || shard?.version !== version) return undefined;
    return outcome === 'ack' ? this.#accept(name, shard.hosts) : this.#refuse(name, shard.hosts, message);
  }

  diagnostics(): Diagnostic[] {
    const found: Diagnostic[] = [];
    for (const [key, { version, message }] of this.#guilty) {
      if (this.#routes.virtualHostVersion(key) !== version) {
        this.#guilty.delete(key);
        continue;
      }
      for (const { object, path } of this.#routes.virtualHostSources(key)) {
        found.push({ severity: 'error', code: 'RejectedByEnvoy', message: `Envoy refused the routes: ${message}`, object, path });
      }
    }
    return found;
  }

  #accept(name: string, hosts: readonly EncodedVirtualHost[]): ResourceChange | undefined {
    this.#accepted.set(name, new Map(hosts.filter((host) => !this.#substitutes.has(host)).map((host) => [keyOf(host), host])));
    for (const shard of this.#accepted.keys()) if (!this.#routes.routeShard(shard)) this.#accepted.delete(shard);
    const next = this.#waiting.get(name)?.pop();
    if (!next) {
      this.#waiting.delete(name);
      return undefined;
    }
    return this.#routes.quarantine(new Map(next.map((host) => [keyOf(host), undefined])));
  }

  #refuse(name: string, hosts: readonly EncodedVirtualHost[], message: string): ResourceChange | undefined {
    const accepted = this.#accepted.get(name);
    const suspects = hosts.filter((host) => !this.#substitutes.has(host) && accepted?.get(keyOf(host))?.version !== host.version);
    const [suspect] = suspects;
    if (!suspect) return undefined;
    if (suspects.length === 1) {
      this.#guilty.set(keyOf(suspect), { version: suspect.version, message });
    } else {
      const half = Math.ceil(suspects.length / 2);
      const waiting = this.#waiting.get(name) ?? [];
      waiting.push(suspects.slice(half), suspects.slice(0, half));
      this.#waiting.set(name, waiting);
    }
    return this.#routes.quarantine(new Map(suspects.map((host) => [keyOf(host), this.#substituteFor(host)])));
  }

  #substituteFor(host: EncodedVirtualHost): QuarantinedHost {
    const key = keyOf(host);
    for (const accepted of this.#accepted.values()) {
      const instead = accepted.get(key);
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
