export { AuthorityKeeper, type AuthorityKeeperOptions } from './authority-keeper.ts';
export { AuthorityObjects } from './authority-objects.ts';
export { bundleOf } from './authority-state.ts';
export { identifyNode } from './identify-node.ts';
export { NODE_SIGNER, NodeSigner, type NodeSignerOptions } from './node-signer.ts';
export { type AuthorityTimes, DEFAULT_AUTHORITY_TIMES } from './plan-authority.ts';
export { ServingIdentity, type ServingIdentityOptions } from './serving-identity.ts';
export { TrustError, type TrustErrorCode } from './trust-error.ts';
