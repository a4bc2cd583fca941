export { AuthorityKeeper, type AuthorityKeeperOptions } from './authority-keeper.ts';
export { identifyNode } from './identify-node.ts';
export { NODE_SIGNER, NodeSigner, type NodeSignerOptions } from './node-signer.ts';
export { type AuthorityTimes, DEFAULT_AUTHORITY_TIMES } from './plan-authority.ts';
export { ServingIdentity, type ServingIdentityOptions } from './serving-identity.ts';
export { TrustError, type TrustErrorCode } from './trust-error.ts';
