import type { EnvoyConfig } from '../../envoy-config/index.ts';
import type { Diagnostic } from '../../model/index.ts';
import { contentVersion, type ResourceName } from '../../xds-server/serve/resource.ts';
import { SLOT_TYPE } from '../../xds-server/serve/types.ts';
import { CLUSTER, LISTENER, ROUTES } from '../../xds-server/translate/types.ts';
import { answeredParts } from './answered-parts.ts';

/** A version of an object that was right. */
export interface GoodVersion {
  /** By the API server's count; absent where the object is from elsewhere. */
  readonly generation?: number;
  readonly spec: unknown;
}

interface Version {
  readonly config: EnvoyConfig;
  readonly good: GoodVersion;
  readonly fingerprint: string;
  /** What was written later has more. */
  readonly order: number;
}

/** What came of a trial. */
export interface TrialOutcome {
  readonly pass: () => void;
  readonly fail: (diagnostics: readonly Diagnostic[]) => void;
}

interface Refused {
  readonly fingerprint: string;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * The versions of one config that our own checks take: which is served, and which is served again, as a whole, if an Envoy refuses a part of
 * that. A version that was refused is not tried again before something else was written.
 */
export class ConfigHistory {
  #inForce: Version | undefined;
  /** What an Envoy has taken whole before. */
  #before: Version | undefined;
  #trial: Version | undefined;
  #refused: Refused | undefined;
  /** The version of each resource that an Envoy took last, by {@link keyOf}. */
  readonly #accepted = new Map<string, string>();
  /** Only whoever leads is told what becomes of listeners that Services are led to; others go by the rest. */
  #hearsOfSlots = false;
  #offered = 0;

  /** What is served, and what that was made of. */
  get inForce(): { readonly config: EnvoyConfig; readonly good: GoodVersion } | undefined {
    return this.#inForce;
  }

  /** What is not served before somebody has tried it. */
  get trial(): EnvoyConfig | undefined {
    return this.#trial?.config;
  }

  /** Why what was written last is not served, in the words of an Envoy. */
  get objections(): readonly Diagnostic[] {
    return this.#refused?.diagnostics ?? [];
  }

  /**
   * Something that is right was written.
   * @param isTried whether somebody is to try it before it is served
   */
  offer(config: EnvoyConfig, good: GoodVersion, isTried: boolean): void {
    const version = this.#number(config, good);
    this.#trial = undefined;
    if (version.fingerprint !== this.#refused?.fingerprint) this.#refused = undefined;
    if (this.#refused) return;
    // What it says is what it said, but perhaps in other places.
    if (version.fingerprint === this.#inForce?.fingerprint) this.#inForce = version;
    else if (isTried) this.#trial = version;
    else this.#adopt(version);
  }

  /** Says what is to be done with what is on trial, whatever is written meanwhile. */
  onTrial(): TrialOutcome | undefined {
    const version = this.#trial;
    if (!version) return undefined;
    const end = () => {
      const isLast = this.#trial === version;
      if (isLast) this.#trial = undefined;
      return isLast;
    };
    return {
      // Also where something newer is on trial by now: or those who write often would never be served.
      pass: () => {
        end();
        if (version.order > (this.#inForce?.order ?? 0)) this.#adopt(version);
      },
      fail: (diagnostics) => {
        if (end()) this.#refused = { fingerprint: version.fingerprint, diagnostics };
      },
    };
  }

  /** What is wrong was written. */
  offerNothing(): void {
    this.#refused = undefined;
  }

  /** Something was served before anybody here knew of it. */
  recall(config: EnvoyConfig, good: GoodVersion): void {
    const version = { ...this.#number(config, good), order: 0 };
    if (!this.#inForce) this.#inForce = version;
    else if (version.fingerprint !== this.#inForce.fingerprint) this.#before = version;
  }

  /**
   * Where others know that an Envoy refuses what was written last, and serve something else therefore.
   * @returns whether that is served here from now on
   */
  renounce(config: EnvoyConfig, good: GoodVersion, diagnostics: readonly Diagnostic[]): boolean {
    const written = this.#trial ?? this.#inForce;
    const version = this.#number(config, good);
    if (!written || this.#refused || written.fingerprint === version.fingerprint) return false;
    this.#refused = { fingerprint: written.fingerprint, diagnostics };
    this.#trial = undefined;
    this.#inForce = version;
    this.#before = undefined;
    return true;
  }

  /** An Envoy took a resource. */
  accept(resource: ResourceName & { readonly version: string }): void {
    this.hear(resource);
    this.#accepted.set(keyOf(resource), resource.version);
  }

  /** An Envoy answered, whatever it said. */
  hear({ typeUrl }: ResourceName): void {
    this.#hearsOfSlots ||= typeUrl === SLOT_TYPE;
  }

  /**
   * An Envoy refused a part of what is served.
   * @returns whether something else is served therefore: what was refused stays where nothing better is known
   */
  rollBack(diagnostics: readonly Diagnostic[]): boolean {
    if (!this.#inForce || !this.#before) return false;
    this.#refused = { fingerprint: this.#inForce.fingerprint, diagnostics };
    this.#inForce = this.#before;
    this.#before = undefined;
    return true;
  }

  #number(config: EnvoyConfig, good: GoodVersion): Version {
    return { config, good, fingerprint: fingerprintOf(config), order: ++this.#offered };
  }

  #adopt(version: Version): void {
    if (this.#inForce && this.#isProven(this.#inForce.config)) this.#before = this.#inForce;
    this.#inForce = version;
    this.#forgetAccepted();
  }

  /** Whether Envoys have taken all that they ask for. Of routes, these are those that a listener names. */
  #isProven(config: EnvoyConfig): boolean {
    const listening = [...config.resources.map(({ resource }) => resource), ...config.listeners];
    const named = new Set(listening.flatMap(({ requires }) => requires.map(keyOf)));
    return answeredParts(config).every((part) => {
      const isAsked = ALWAYS_ASKED.has(part.typeUrl) || (part.typeUrl === SLOT_TYPE && this.#hearsOfSlots);
      if (!isAsked && !(part.typeUrl === ROUTES && named.has(keyOf(part)))) return true;
      return this.#accepted.get(keyOf(part)) === part.version;
    });
  }

  #forgetAccepted(): void {
    const versions = [this.#inForce, this.#before];
    const kept = new Set(versions.flatMap((version) => (version ? answeredParts(version.config).map(keyOf) : [])));
    for (const key of this.#accepted.keys()) if (!kept.has(key)) this.#accepted.delete(key);
  }
}

const ALWAYS_ASKED: ReadonlySet<string> = new Set([CLUSTER, LISTENER]);

function keyOf({ typeUrl, name }: ResourceName): string {
  return `${typeUrl} ${name}`;
}

/** Equal where all that is served of two is. */
function fingerprintOf({ resources, listeners, endpointSets, secrets, services, nodeSelector }: EnvoyConfig): string {
  const parts = [
    resources.map(({ resource: { typeUrl, name, version } }) => [typeUrl, name, version]),
    listeners.map(({ name, body, requires }) => [name, contentVersion(body), requires]),
    endpointSets.map(({ name, namespace, service, port }) => [name, namespace, service, port]),
    secrets.map(({ namespace, name, kind }) => [namespace, name, kind]),
    services.map(({ namespace, name, ports, listener }) => [namespace, name, ports, listener]),
    nodeSelector,
  ];
  return contentVersion(JSON.stringify(parts));
}
