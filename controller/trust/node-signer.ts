import { setTimeout as sleep } from 'node:timers/promises';
import { type CertificateRequest, followRequests, giveCertificate, hasCondition, judgeRequest } from '../../kube/certificates/index.ts';
import { type ApiClient, ApiError } from '../../kube/index.ts';
import { type Authority, DEFAULT_LIFETIME_MS, issueCertificate, nodeProfile, servingNodeProfile } from '../../pki/index.ts';
import { FairQueue } from './fair-queue.ts';
import { judgeNodeRequest, type NodeSignerIdentity, type NodeVerdict } from './judge-node-request.ts';

export interface NodeSignerOptions extends Partial<NodeSignerIdentity> {
  readonly client: ApiClient;
  /** Who signs. */
  readonly authority: () => Authority | Promise<Authority>;
  /** Of a node's certificate, in milliseconds; a request may ask for less. Default 24 h. */
  readonly lifetimeMs?: number;
  /** Requests that are answered in a second at most. Default 20. */
  readonly perSecond?: number;
  /** Something failed; it is tried again. */
  readonly onError: (error: unknown) => void;
  readonly now?: () => Date;
}

export const NODE_SIGNER: NodeSignerIdentity = {
  signerName: 'sluice.io/node',
  agentUsername: 'system:serviceaccount:sluice-system:sluice-agent',
};

const PER_SECOND = 20;
const RETRY_MS = 5_000;
const SECOND_MS = 1_000;

/** What the leader does for the nodes: approves and signs what agents ask for, and denies what others do. */
export class NodeSigner {
  readonly #options: NodeSignerOptions;
  readonly #identity: NodeSignerIdentity;
  readonly #queue = new FairQueue<CertificateRequest>();
  #wake: () => void = () => {};

  constructor(options: NodeSignerOptions) {
    this.#options = options;
    const { signerName = NODE_SIGNER.signerName, agentUsername = NODE_SIGNER.agentUsername } = options;
    this.#identity = { signerName, agentUsername };
  }

  /** Signs until the signal. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, onError } = this.#options;
    const { signerName } = this.#identity;
    await Promise.all([
      followRequests(client, { signerName, onRequest: (request) => this.#put(request), onError, signal }),
      this.#work(signal),
    ]);
  }

  #put(request: CertificateRequest): void {
    const { username, extra } = request.spec;
    const owner = JSON.stringify([username, extra]);
    if (request.status.certificate !== '' || hasCondition(request, 'Denied', 'Failed')) {
      this.#queue.remove(owner, request.metadata.name);
      return;
    }
    this.#queue.put(owner, request.metadata.name, request);
    this.#wake();
  }

  async #work(signal: AbortSignal): Promise<void> {
    const { perSecond = PER_SECOND, onError } = this.#options;
    while (!signal.aborted) {
      const request = this.#queue.take();
      if (!request) {
        await this.#untilWoken(signal);
        continue;
      }
      try {
        await this.answer(request);
      } catch (error) {
        if (!isOvertaken(error)) {
          onError(error);
          setTimeout(() => this.#put(request), RETRY_MS).unref();
        }
      }
      await sleep(SECOND_MS / perSecond, undefined, { signal }).catch(() => {});
    }
  }

  /**
   * Answers one request, if it has no answer.
   * @throws ApiError, `conflict` or `not-found` if somebody else changed it
   */
  async answer(csr: CertificateRequest): Promise<NodeVerdict['verdict']> {
    const { client, authority, lifetimeMs = DEFAULT_LIFETIME_MS, now } = this.#options;
    const verdict = await judgeNodeRequest(csr, this.#identity);
    const isApproved = hasCondition(csr, 'Approved');
    if (verdict.verdict === 'refuse') await judgeRequest(client, csr, isApproved ? 'Failed' : 'Denied', verdict);
    if (verdict.verdict !== 'sign') return verdict.verdict;
    const { nodeName, serves, request } = verdict;
    const approval = { reason: 'AgentOfNode', message: `asked for by the agent on node ${nodeName}` };
    const approved = isApproved ? csr : await judgeRequest(client, csr, 'Approved', approval);
    const wanted = (csr.spec.expirationSeconds ?? Number.POSITIVE_INFINITY) * SECOND_MS;
    const profile = (serves ? servingNodeProfile : nodeProfile)(nodeName, Math.min(lifetimeMs, wanted));
    await giveCertificate(client, approved, await issueCertificate(await authority(), request, profile, now?.()));
    return 'sign';
  }

  #untilWoken(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        this.#wake = () => {};
        resolve();
      };
      signal.addEventListener('abort', wake);
      this.#wake = wake;
    });
  }
}

/** The watch brings what it is now, if it still is. */
function isOvertaken(error: unknown): boolean {
  return error instanceof ApiError && (error.code === 'conflict' || error.code === 'not-found');
}
