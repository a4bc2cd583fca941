export {
  type Authority,
  type AuthorityOptions,
  issueCertificate,
  issueWithKey,
  type KeyedCertificate,
  makeAuthority,
} from './authority.ts';
export { PkiError, type PkiErrorCode } from './error.ts';
export { type AllowedClients, type ClientRefusal, identifyClient } from './identify-client.ts';
export { isPair } from './keys.ts';
export { controllerProfile, DEFAULT_LIFETIME_MS, nodeProfile, observerProfile, type Profile, servingNodeProfile } from './profile.ts';
export { type CertificateContent, isSignedByOne, readCertificate, splitBundle, tryReadCertificate } from './read-certificate.ts';
export { renewalTime } from './renewal.ts';
export { type MadeSigningRequest, makeSigningRequest, readSigningRequest, type SigningRequest } from './signing-request.ts';
export { CONTROLLER_ID, isNodeName, NODES_SERVER_NAME, nodeId, nodeNameOf, nodeServerName, observerId } from './spiffe.ts';
