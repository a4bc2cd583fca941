import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { ApiClient } from '../api-server/api-client.ts';
import { CERTIFICATE_REQUESTS, type CertificateRequest, readCertificateRequest } from './certificate-request.ts';

export interface FollowOptions {
  readonly signerName: string;
  /** Told of each request when it is first seen and whenever it changes; also again for no reason. */
  readonly onRequest: (request: CertificateRequest) => void;
  /** The way to the API server failed; it is tried again. */
  readonly onError: (error: unknown) => void;
  readonly signal: AbortSignal;
}

const PAGE = '500';
/** Every request that waits is looked at again after this time, whatever became of it. */
const WATCH_SECONDS = 300;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;

const list = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
  items: z.array(z.unknown()).nullable(),
});
const event = z.object({ type: z.string(), object: z.unknown() });

/** Lists and watches the requests to one signer, until the signal. Never throws. */
export async function followRequests(client: ApiClient, options: FollowOptions): Promise<void> {
  let delay = FIRST_DELAY_MS;
  while (!options.signal.aborted) {
    try {
      await followOnce(client, options);
      delay = FIRST_DELAY_MS;
    } catch (error) {
      if (options.signal.aborted) return;
      options.onError(error);
      await sleep(delay * (1 + Math.random()), undefined, { signal: options.signal }).catch(() => {});
      delay = Math.min(delay * 2, LONGEST_DELAY_MS);
    }
  }
}

async function followOnce(client: ApiClient, { signerName, onRequest, signal }: FollowOptions): Promise<void> {
  const fieldSelector = `spec.signerName=${signerName}`;
  const tell = (object: unknown) => {
    const request = readCertificateRequest(object);
    if (request) onRequest(request);
  };
  let resourceVersion: string;
  let next = '';
  do {
    const query = { fieldSelector, limit: PAGE, ...(next !== '' && { continue: next }) };
    const page = list.parse(await client.request({ path: CERTIFICATE_REQUESTS, query, signal }));
    for (const item of page.items ?? []) tell(item);
    resourceVersion = page.metadata.resourceVersion;
    next = page.metadata.continue ?? '';
  } while (next !== '');
  // Without bookmarks a watch on which nothing happens would be taken for dead.
  const query = { fieldSelector, watch: 'true', allowWatchBookmarks: 'true', resourceVersion, timeoutSeconds: `${WATCH_SECONDS}` };
  for await (const line of client.stream({ path: CERTIFICATE_REQUESTS, query, signal })) {
    const { type, object } = event.parse(line);
    if (type === 'ERROR') return;
    if (type !== 'DELETED' && type !== 'BOOKMARK') tell(object);
  }
}
