import type { ReferenceKind, ResourceKind } from './meaning.ts';

/** A CiliumEnvoyConfig, or, where the namespace is '', a CiliumClusterwideEnvoyConfig. */
export interface ConfigName {
  readonly namespace: string;
  readonly name: string;
}

export type Qualified = { readonly kind: 'name'; readonly name: string } | Refused;

export interface Refused {
  readonly kind: 'refused';
  /** `reference-not-permitted`: what is named is not the config's to use. `name-not-permitted`: it is not the config's to define. */
  readonly code: 'reference-not-permitted' | 'name-not-permitted';
  readonly message: string;
}

/** Whose names are also those of Services (`namespace/service:port`), of Kubernetes' Secrets and of other configs: with a slash they stay what they are. */
const OPEN_KINDS: ReadonlySet<ReferenceKind> = new Set<ReferenceKind>(['cluster', 'endpoints', 'secret']);

const UNAVAILABLE: ReadonlyMap<ReferenceKind, string> = new Map<ReferenceKind, string>([
  ['aggregate-members', 'lists of clusters'],
  ['certificate-provider', 'certificate providers'],
  ['extension-config', 'configurations of filters'],
  ['filter-chain', 'filter chains'],
  ['locality-endpoints', 'lists of endpoints'],
  ['protocol-routes', 'routes of this protocol'],
  ['resource-locator', 'resources'],
  ['token-bucket', 'token buckets'],
]);

/**
 * The full name of what a config refers to. A name that is full already stays, so this may be asked again. An empty name stays empty.
 */
export function qualifyReference(config: ConfigName, to: ReferenceKind, name: string): Qualified {
  const unavailable = UNAVAILABLE.get(to);
  if (unavailable) return notPermitted(`names ${unavailable} to discover, and no config can hold such`);
  if (name === '') return { kind: 'name', name };
  if (!OPEN_KINDS.has(to)) return { kind: 'name', name: isOfConfigs(config.namespace, name) ? name : ownName(config, name) };
  if (!name.includes('/')) return { kind: 'name', name: ownName(config, name) };
  if (config.namespace === '' || name.startsWith(`${config.namespace}/`)) return { kind: 'name', name };
  return notPermitted(`"${name}" is not of the namespace ${config.namespace}: a name with a slash must begin with "${config.namespace}/"`);
}

/**
 * The full name of a resource of a config: the same as for whoever refers to it by the same words. A name of three parts is a config's own
 * (`namespace/config/name`), so no other config may have a resource of that name.
 */
export function qualifyDefinition(config: ConfigName, of: ResourceKind, name: string): Qualified {
  const qualified = qualifyReference(config, of, name);
  const full = qualified.kind === 'name' ? qualified.name : name;
  const [namespace, other, ...rest] = full.split('/');
  const isOwn = namespace === config.namespace && other === config.name;
  if (qualified.kind === 'name' && (rest.length === 0 || isOwn)) return qualified;
  const message =
    qualified.kind === 'refused' ? qualified.message : `"${name}" is a name of the config "${other}"${namespace ? ` in ${namespace}` : ''}`;
  return { kind: 'refused', code: 'name-not-permitted', message };
}

function ownName({ namespace, name: config }: ConfigName, name: string): string {
  return `${namespace}/${config}/${name}`;
}

/** Whether a name is the full one of something in a config of a namespace. */
function isOfConfigs(namespace: string, name: string): boolean {
  const [first, config, ...rest] = name.split('/');
  return first === namespace && config !== undefined && config !== '' && rest.join('/') !== '';
}

function notPermitted(message: string): Refused {
  return { kind: 'refused', code: 'reference-not-permitted', message };
}
