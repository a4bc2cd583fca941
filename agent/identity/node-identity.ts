import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChannelCredentials } from '@grpc/grpc-js';
import {
  isPair,
  isSignedByOne,
  type KeyedCertificate,
  makeSigningRequest,
  nodeNameOf,
  readCertificate,
  renewalTime,
  splitBundle,
} from '../../pki/index.ts';
import { MutualTlsCredentials } from '../../xds-server/serve/index.ts';
import { nodeCredentials, ReplaceableCertificates } from './channel-credentials.ts';
import { IdentityError } from './identity-error.ts';
import { IdentityFile } from './identity-file.ts';

export interface NodeIdentityOptions {
  /** Where the certificate outlives this process; for its owner only. */
  readonly folder: string;
  /** PEM of the authorities to trust. Read again and again, since it is replaced by whoever mounts it. */
  readonly bundlePath: string;
  /** Has a request signed: takes PKCS #10 as PEM, gives a certificate as PEM. May take as long as it likes. */
  readonly requestCertificate: (request: string, signal: AbortSignal) => Promise<string>;
  /** Whether the certificate is to be good for a server, too: one that is not is as good as none for that. Default: it need not. */
  readonly serves?: boolean;
  /** Something failed; it is tried again, and what was there is used until then. */
  readonly onError: (error: unknown) => void;
  /** How often to look at the file of the authorities, in milliseconds. Default 5 s. */
  readonly bundleIntervalMs?: number;
  /** Before a request that failed is made again, in milliseconds; twice as long each time, up to 64 times. Default 1 s. */
  readonly retryMs?: number;
  readonly now?: () => Date;
}

export interface IdentityStatus {
  /** As the certificate has it; undefined as long as there is none. */
  readonly nodeName: string | undefined;
  readonly notAfter: Date | undefined;
  /** What went wrong last, if the next attempt has not succeeded. */
  readonly problem: string | undefined;
}

const BUNDLE_INTERVAL_MS = 5_000;
const RETRY_MS = 1_000;
const MAX_DOUBLINGS = 6;

/** Who the node is to controllers: a key and a certificate, which is asked for when there is none of use, and renewed in time. */
export class NodeIdentity implements AsyncDisposable {
  /** For channels to controllers. Connections made after a renewal use the new certificate; open ones stay. */
  readonly credentials: ChannelCredentials;
  readonly #certificates = new ReplaceableCertificates();
  readonly #options: NodeIdentityOptions;
  readonly #file: IdentityFile;
  readonly #stop = new AbortController();
  readonly #ready = Promise.withResolvers<void>();
  readonly #serving = Promise.withResolvers<MutualTlsCredentials>();
  #served: MutualTlsCredentials | undefined;
  readonly #running: Promise<unknown>;
  #bundle = '';
  #identity: KeyedCertificate | undefined;
  #renewAt = 0;
  #failures = 0;
  /** By a clock that nobody sets. */
  #retryAt = 0;
  #problem: string | undefined;

  private constructor(options: NodeIdentityOptions) {
    this.#options = options;
    this.#file = new IdentityFile(options.folder);
    this.credentials = nodeCredentials(this.#certificates);
    this.#ready.promise.catch(() => {});
    this.#serving.promise.catch(() => {});
    const found = this.#file.read();
    if (found) this.#use(found);
    this.#running = this.#run(this.#stop.signal);
  }

  /** Begins with the certificate in the folder, if there is one. */
  static open(options: NodeIdentityOptions): NodeIdentity {
    return new NodeIdentity(options);
  }

  /** Resolves when there is a certificate and somebody to trust. @throws IdentityError `closed` */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  /**
   * For servers on this node, whose clients the authorities signed for. Follows what the node has, as channels do.
   * @returns once there is a certificate that is good for a server
   * @throws IdentityError `closed`
   */
  serving(): Promise<MutualTlsCredentials> {
    return this.#serving.promise;
  }

  get status(): IdentityStatus {
    const content = this.#identity && readCertificate(this.#identity.certificate);
    return { nodeName: nodeNameOf(content?.spiffeId ?? ''), notAfter: content?.notAfter, problem: this.#problem };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    const closed = new IdentityError('closed', 'the identity was closed');
    this.#ready.reject(closed);
    this.#serving.reject(closed);
  }

  /** One look after the other at what there is to do; only a request takes long, and meanwhile the authorities are followed. */
  async #run(signal: AbortSignal): Promise<void> {
    const { bundleIntervalMs = BUNDLE_INTERVAL_MS } = this.#options;
    let asking: Promise<void> | undefined;
    while (!signal.aborted) {
      await this.#followBundle();
      if (!asking && this.#mustAsk()) {
        asking = this.#ask(signal).finally(() => {
          asking = undefined;
        });
      }
      const pause = sleep(bundleIntervalMs, undefined, { signal }).catch(() => {});
      const due = Math.max(this.#renewAt - this.#now(), this.#retryAt - performance.now());
      const wait = asking ?? sleep(Math.min(Math.max(due, 0) + 1, bundleIntervalMs), undefined, { signal }).catch(() => {});
      await Promise.race([pause, wait]);
    }
    await asking;
  }

  async #followBundle(): Promise<void> {
    const bundle = await readFile(this.#options.bundlePath, 'utf8').catch(() => '');
    if (bundle === this.#bundle) return;
    // Half a file, or none, is no reason to trust nobody.
    if (splitBundle(bundle).length === 0) return;
    this.#bundle = bundle;
    this.#certificates.replaceAuthorities(bundle);
    this.#settle();
  }

  /** A certificate of an authority that nobody knows any more is as good as none. */
  #mustAsk(): boolean {
    if (performance.now() < this.#retryAt) return false;
    if (!this.#identity || this.#now() >= this.#renewAt) return true;
    if (this.#options.serves && !isServers(this.#identity)) return true;
    return this.#bundle !== '' && !isSignedByOne(this.#identity.certificate, this.#bundle);
  }

  async #ask(signal: AbortSignal): Promise<void> {
    try {
      const { request, privateKey } = await makeSigningRequest();
      const certificate = await this.#options.requestCertificate(request, signal);
      if (!isPair(certificate, privateKey)) throw new IdentityError('unusable-certificate', 'the certificate is not for the key');
      this.#use({ certificate, privateKey });
      this.#file.write({ certificate, privateKey });
      this.#problem = undefined;
      if (this.#mustAsk()) this.#delayNext();
      else this.#failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      this.#problem = error instanceof Error ? error.message : String(error);
      this.#delayNext();
      this.#options.onError(error);
    }
  }

  #use(identity: KeyedCertificate): void {
    this.#renewAt = renewalTime(readCertificate(identity.certificate));
    this.#identity = identity;
    this.#certificates.replaceIdentity(identity);
    this.#settle();
  }

  #delayNext(): void {
    const delay = (this.#options.retryMs ?? RETRY_MS) * 2 ** Math.min(this.#failures++, MAX_DOUBLINGS);
    this.#retryAt = performance.now() + delay * (0.5 + Math.random());
  }

  #settle(): void {
    if (!this.#identity || this.#bundle === '') return;
    this.#ready.resolve();
    if (!isServers(this.#identity)) return;
    const identity = { ...this.#identity, authorities: this.#bundle };
    if (this.#served) {
      this.#served.replace(identity);
    } else {
      this.#served = new MutualTlsCredentials(identity);
      this.#serving.resolve(this.#served);
    }
  }

  #now(): number {
    return (this.#options.now?.() ?? new Date()).getTime();
  }
}

/** Only what is given for that has a name by which it is found. */
function isServers({ certificate }: KeyedCertificate): boolean {
  return readCertificate(certificate).dnsNames.length > 0;
}
