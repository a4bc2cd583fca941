import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../../kube/index.ts';
import { type Authority, controllerProfile, DEFAULT_LIFETIME_MS, issueWithKey, readCertificate, renewalTime } from '../../pki/index.ts';
import { MutualTlsCredentials } from '../../xds-server/serve/index.ts';
import { AuthorityObjects } from './authority-objects.ts';
import { type AuthorityState, bundleOf } from './authority-state.ts';
import { TrustError } from './trust-error.ts';

export interface ServingIdentityOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  /** Of the serving certificate, in milliseconds. Default 24 h. */
  readonly lifetimeMs?: number;
  /** How often to look whether the authority has changed, in milliseconds. Default 10 s. */
  readonly intervalMs?: number;
  /** Something failed; it is tried again, and what was there is used until then. */
  readonly onError: (error: unknown) => void;
  readonly now?: () => Date;
}

const INTERVAL_MS = 10_000;
const FIRST_INTERVAL_MS = 500;

/**
 * With what a controller serves nodes: a certificate that it makes for itself from the authority of the cluster, in memory only.
 * Follows the authority, and renews the certificate in time.
 */
export class ServingIdentity implements AsyncDisposable {
  readonly credentials: MutualTlsCredentials;
  readonly #options: ServingIdentityOptions;
  readonly #objects: AuthorityObjects;
  readonly #stop = new AbortController();
  readonly #following: Promise<void>;
  #resourceVersion: string;
  #state: AuthorityState;
  #renewAt: number;

  private constructor(options: ServingIdentityOptions, objects: AuthorityObjects, first: Served) {
    this.#options = options;
    this.#objects = objects;
    this.#resourceVersion = first.resourceVersion;
    this.#state = first.state;
    this.#renewAt = first.renewAt;
    this.credentials = new MutualTlsCredentials(first.identity);
    this.#following = this.#follow(this.#stop.signal);
  }

  /** Waits until there is an authority. @throws the signal's reason */
  static async open(options: ServingIdentityOptions, signal?: AbortSignal): Promise<ServingIdentity> {
    const objects = new AuthorityObjects(options.client, options.namespace);
    const { intervalMs = INTERVAL_MS } = options;
    for (let delay = FIRST_INTERVAL_MS; ; delay *= 2) {
      try {
        return new ServingIdentity(options, objects, await serve(objects, options, signal));
      } catch (error) {
        signal?.throwIfAborted();
        options.onError(error);
      }
      await sleep(Math.min(delay, intervalMs), undefined, signal ? { signal } : {});
    }
  }

  /** Who signs certificates. */
  get authority(): Authority {
    return this.#state.current;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { intervalMs = INTERVAL_MS, onError } = this.#options;
    // What an authority signs that is nearly over is to be renewed at once, again and again.
    const shortestMs = Math.min(intervalMs, FIRST_INTERVAL_MS);
    for (;;) {
      const untilRenewal = Math.max(shortestMs, this.#renewAt - nowOf(this.#options).getTime());
      await sleep(Math.min(intervalMs, untilRenewal), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        if (this.#isDue()) await this.#renew();
        await this.#refresh(signal);
      } catch (error) {
        if (signal.aborted) return;
        onError(error);
        await sleep(Math.min(intervalMs, FIRST_INTERVAL_MS), undefined, { signal }).catch(() => {});
      }
    }
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    const stored = await this.#objects.read(signal);
    // Whoever deleted it wants another one, and has it soon; until then this one is better than none.
    if (!stored) throw new TrustError('no-authority', 'the Secret sluice-ca is gone');
    if (stored.resourceVersion === this.#resourceVersion) return;
    await this.#renew(stored.state);
    this.#resourceVersion = stored.resourceVersion;
  }

  #isDue(): boolean {
    return nowOf(this.#options).getTime() >= this.#renewAt;
  }

  /** With the authority that is known, the API server need not be there: it may be away for longer than a certificate is good. */
  async #renew(state = this.#state): Promise<void> {
    const { identity, renewAt } = await issue(state, this.#options);
    this.credentials.replace(identity);
    this.#state = state;
    this.#renewAt = renewAt;
  }
}

interface Served extends Awaited<ReturnType<typeof issue>> {
  readonly state: AuthorityState;
  readonly resourceVersion: string;
}

async function serve(objects: AuthorityObjects, options: ServingIdentityOptions, signal?: AbortSignal): Promise<Served> {
  const stored = await objects.read(signal);
  if (!stored) throw new TrustError('no-authority', 'there is no Secret sluice-ca yet');
  return { ...stored, ...(await issue(stored.state, options)) };
}

async function issue(state: AuthorityState, options: ServingIdentityOptions) {
  const made = await issueWithKey(state.current, controllerProfile(options.lifetimeMs ?? DEFAULT_LIFETIME_MS), nowOf(options));
  return { identity: { ...made, authorities: bundleOf(state) }, renewAt: renewalTime(readCertificate(made.certificate)) };
}

function nowOf({ now }: ServingIdentityOptions): Date {
  return now?.() ?? new Date();
}
