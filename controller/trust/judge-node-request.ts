import { type CertificateRequest, hasCondition } from '../../kube/certificates/index.ts';
import { isNodeName, PkiError, readSigningRequest, type SigningRequest } from '../../pki/index.ts';

/** Which signer, and for whom. */
export interface NodeSignerIdentity {
  readonly signerName: string;
  /** The user that agents are to the API server. */
  readonly agentUsername: string;
}

export type NodeVerdict =
  /** `serves`: it is to be good for a server, too. */
  | { readonly verdict: 'sign'; readonly nodeName: string; readonly serves: boolean; readonly request: SigningRequest }
  | { readonly verdict: 'refuse'; readonly reason: string; readonly message: string }
  /** It has its answer, or is none of our business. */
  | { readonly verdict: 'leave' };

const NODE_NAME = 'authentication.kubernetes.io/node-name';
const REQUIRED = ['digital signature', 'client auth'];
/** Of a node that tells others of its flows. */
const SERVES = 'server auth';

/**
 * Judges a request for the certificate of a node. Who asks, and from which node, is what the API server found out when the
 * request was made; what the request itself says about names plays no part.
 * @see https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
 */
export async function judgeNodeRequest(csr: CertificateRequest, { signerName, agentUsername }: NodeSignerIdentity): Promise<NodeVerdict> {
  const { spec, status } = csr;
  if (spec.signerName !== signerName || status.certificate !== '' || hasCondition(csr, 'Denied', 'Failed')) return { verdict: 'leave' };
  if (spec.username !== agentUsername) {
    return refuse('NotAnAgent', `only ${agentUsername} is given certificates of nodes`);
  }
  const names = spec.extra[NODE_NAME] ?? [];
  const [nodeName = ''] = names;
  if (names.length !== 1 || !isNodeName(nodeName)) {
    return refuse('NotOnANode', 'the request was not made with a token that is bound to a pod on a node');
  }
  const serves = spec.usages.includes(SERVES);
  const wanted = serves ? [...REQUIRED, SERVES] : REQUIRED;
  if (spec.usages.length !== wanted.length || !wanted.every((usage) => spec.usages.includes(usage))) {
    return refuse(
      'WrongUsages',
      `the usages must be ${REQUIRED.map((usage) => `"${usage}"`).join(' and ')}, and may be "${SERVES}" as well`,
    );
  }
  try {
    return { verdict: 'sign', nodeName, serves, request: await readSigningRequest(spec.request) };
  } catch (error) {
    if (error instanceof PkiError) return refuse('BadRequest', error.message);
    throw error;
  }
}

function refuse(reason: string, message: string): NodeVerdict {
  return { verdict: 'refuse', reason, message };
}
