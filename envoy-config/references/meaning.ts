/** What a config may hold itself: a reference to one of these must lead to something. */
export const RESOURCE_KINDS = ['cluster', 'endpoints', 'listener', 'route-configuration', 'secret'] as const;

export type ResourceKind = (typeof RESOURCE_KINDS)[number];

/** What Envoy asks an xDS server for, or has from its bootstrap, and no config can hold: nothing of a config answers to such a name. */
export type ForeignKind =
  | 'aggregate-members'
  | 'certificate-provider'
  | 'extension-config'
  | 'filter-chain'
  | 'locality-endpoints'
  | 'protocol-routes'
  | 'resource-locator'
  | 'token-bucket';

/** `shared`: something that there is once in an Envoy for all who give the same name, such as a cache or a limit. It is made by being named. */
export type ReferenceKind = ResourceKind | ForeignKind | 'shared';

/** What a string in one of Envoy's messages is to who gives resources their names. */
export type Meaning =
  /** Names something elsewhere; where `onlyWith` is there, only if the field of that name is set beside it. */
  | { readonly kind: 'reference'; readonly to: ReferenceKind; readonly onlyWith?: string }
  /** The resource's own name where the message is the resource; no name at all where it stands in another message. */
  | { readonly kind: 'definition'; readonly of: ResourceKind }
  | { readonly kind: 'other'; readonly why: string };
