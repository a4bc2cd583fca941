import { CertificateError, requestCertificate } from '../../kube/certificates/index.ts';
import type { ApiClient } from '../../kube/index.ts';
import { describeFailure } from '../describe-failure.ts';
import type { Log } from '../log.ts';

const SIGNER = 'sluice.io/node';
const USAGES = ['digital signature', 'client auth'];
/** Where it tells other machines of flows or metrics. */
const SERVING_USAGES = [...USAGES, 'server auth'];

/**
 * Has a controller sign for this node. Where it signs for no server, as one of an earlier version does, a certificate that is good for a client
 * is had all the same: a node has to be served before it serves others.
 * @throws as requestCertificate
 */
export async function requestNodeCertificate(
  client: ApiClient,
  request: string,
  { serves, signal, log }: { readonly serves: boolean; readonly signal: AbortSignal; readonly log: Log },
): Promise<string> {
  const ask = (usages: readonly string[]) => requestCertificate(client, { request, signerName: SIGNER, usages, signal });
  if (!serves) return await ask(USAGES);
  try {
    return await ask(SERVING_USAGES);
  } catch (error) {
    if (!(error instanceof CertificateError) || error.code !== 'refused') throw error;
    log({
      level: 'warn',
      event: 'identity',
      text: `nobody else can ask for flows or metrics yet: ${describeFailure(error)}; trying again, with a certificate for a client until then`,
    });
    return await ask(USAGES);
  }
}
