export { IdentityError, type IdentityErrorCode } from './identity-error.ts';
export { type IdentityStatus, NodeIdentity, type NodeIdentityOptions } from './node-identity.ts';
