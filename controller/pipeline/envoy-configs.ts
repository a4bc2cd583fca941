import type { Collection, Graph } from '../../collection/index.ts';
import {
  type ConfigResource,
  diagnoseEnvoyConfig,
  type EnvoyConfig,
  type KubernetesSecret,
  portsOf,
  type ServiceEndpoints,
} from '../../envoy-config/index.ts';
import { type EndpointsResult, ingestEndpoints } from '../../ingress-controller/index.ts';
import type { EndpointSlice, Service } from '../../kube/index.ts';
import { type Diagnostic, type Endpoint, type FieldRef, type ObjectRef, objectKey } from '../../model/index.ts';
import type { Resource, ResourceName } from '../../xds-server/serve/resource.ts';
import { translateEndpoints } from '../../xds-server/translate/endpoints.ts';
import { endpointsForNode } from '../../xds-server/translate/endpoints-for-node.ts';
import { ENDPOINTS, SECRET } from '../../xds-server/translate/types.ts';
import { buildConfigSecrets, type ConfigSecret, useKey } from './config-secrets.ts';
import type { ConfigVerdict } from './envoy-configs-in-force.ts';
import { type Inputs, inputKey } from './inputs.ts';
import { clientNodeOf, type OwnNode, onOwnNode } from './own-node.ts';

/** What is served of CiliumEnvoyConfigs, and those of no namespace. */
export interface EnvoyConfigStages {
  /** By type and name, see {@link resourceKey}. */
  readonly resources: Collection<ConfigResource>;
  /** What is used of Secrets of Kubernetes, by what Envoy knows it by. */
  readonly secrets: Collection<Resource>;
  /** Which these are, whether or not they are there. */
  readonly secretReferences: Collection<readonly string[]>;
  /** By the name that clusters ask for. */
  readonly endpoints: Collection<Resource>;
  /** The fields of configs that a resource was made of, or that use it. */
  readonly sourcesOf: (resource: ResourceName) => readonly FieldRef[];
  /** The objects of which a resource is, whatever else uses it. */
  readonly ownersOf: (resource: ResourceName) => readonly ObjectRef[];
  /** What is wrong beside the objects themselves: names that another has, Services that are not there. */
  readonly diagnostics: Collection<readonly Diagnostic[]>;
  /** Those whose surroundings are right, by their keys. */
  readonly standing: Collection<ConfigInForce>;
}

export interface ConfigInForce {
  readonly config: EnvoyConfig;
  /** As RFC 3339 writes it; empty where nobody says. */
  readonly created: string;
}

/** Where a resource of a config stands in its collection. */
export function resourceKey({ typeUrl, name }: ResourceName): string {
  return `${typeUrl} ${name}`;
}

/** That a config has a resource of a name, or one is made for it of what others say. */
interface Claim {
  readonly config: string;
  readonly created: string;
  /** For people. */
  readonly owner: string;
  readonly version: string;
}

interface ClaimedName {
  readonly resource: ResourceName;
  /** Those of one version are the same. */
  readonly version: string;
  readonly source: FieldRef;
}

/** Only full names can meet that several may use, such as `namespace/name`. */
function claimedNames({ resources, endpointSets, secrets }: EnvoyConfig): readonly ClaimedName[] {
  return [
    ...resources.map(({ resource, source }) => ({ resource, version: resource.version, source })),
    ...endpointSets.map(({ name, source }) => ({ resource: { typeUrl: ENDPOINTS, name }, version: 'a Service', source })),
    ...secrets.map(({ resource, source }) => ({ resource: { typeUrl: SECRET, name: resource }, version: 'a Secret', source })),
  ];
}

interface SetResult extends Pick<EndpointsResult, 'endpoints'> {
  readonly diagnostics: readonly Diagnostic[];
}

export interface EnvoyConfigContext {
  /** By the `namespace/name` of their Services. */
  readonly slicesOfServices: Collection<readonly EndpointSlice[]>;
  /** The only node that configs are for. Absent: others say which nodes have which. */
  readonly ownNode: string | undefined;
}

/** @param verdicts on all that amounts to a config, by keys that no two have */
export function buildEnvoyConfigs(
  graph: Graph,
  inputs: Pick<Inputs, 'services' | 'secrets' | 'clock' | 'nodes'>,
  verdicts: Collection<ConfigVerdict>,
  { slicesOfServices, ownNode }: EnvoyConfigContext,
): EnvoyConfigStages {
  const claims = graph.group('resource names of configs', verdicts, ({ inForce, object }, config) => {
    const claim = inForce && { config, created: object.metadata.creationTimestamp ?? '', owner: objectKey(inForce.object) };
    const names = inForce ? claimedNames(inForce) : [];
    return names.flatMap(({ resource, version }): [string, Claim][] => (claim ? [[resourceKey(resource), { ...claim, version }]] : []));
  });
  const { references, secrets } = buildConfigSecrets(graph, inputs, verdicts);
  const standing = graph.derive('configs that stand', verdicts, (verdict, _key, read) =>
    judgeSurroundings(verdict, {
      claimsOf: (name) => read(claims, name),
      secretOf: (use) => read(secrets, useKey(use)),
      ownNode: ownNode === undefined ? undefined : { name: ownNode, object: read(inputs.nodes, ownNode) },
    }),
  );
  const resources = graph.group('resources of configs', standing, ({ config }) =>
    (config?.resources ?? []).map((resource): [string, ConfigResource] => [resourceKey(resource.resource), resource]),
  );
  const uses = graph.group('endpoint uses of configs', standing, ({ config }) =>
    (config?.endpointSets ?? []).map((set): [string, ServiceEndpoints] => [set.name, set]),
  );
  const sets = graph.derive('endpoint sets of configs', uses, (users, _name, read) => {
    const [first] = users;
    if (!first) return undefined;
    const key = inputKey({ namespace: first.namespace, name: first.service });
    return gatherSet(users, read(inputs.services, key), read(slicesOfServices, key) ?? []);
  });
  // Only what is served leaves the controller.
  const secretUses = graph.group('secret uses of configs', standing, ({ config }) =>
    (config?.secrets ?? []).map((secret): [string, KubernetesSecret] => [secret.resource, secret]),
  );
  const ofSets = graph.derive('diagnostics of endpoint sets', sets, ({ diagnostics }) => diagnostics);
  const ofNames = graph.derive('diagnostics of names', standing, ({ diagnostics }) => diagnostics);
  const configResources = graph.derive('config resources', resources, ([resource]) => resource);
  return {
    resources: configResources,
    secrets: graph.derive('secret resources of configs', secretUses, ([use], _name, read) => {
      const secret = use && read(secrets, useKey(use));
      return secret && 'resource' in secret ? secret.resource : undefined;
    }),
    secretReferences: references,
    endpoints: graph.derive('endpoints of configs', sets, ({ endpoints }, _name, read) => {
      const resource = translateEndpoints(endpoints);
      return ownNode === undefined
        ? resource
        : endpointsForNode(resource, clientNodeOf({ name: ownNode, object: read(inputs.nodes, ownNode) }));
    }),
    sourcesOf: ({ typeUrl, name }) => {
      const own = resources.get(resourceKey({ typeUrl, name }));
      if (own) return own.map(({ source }) => source);
      if (typeUrl === ENDPOINTS) return (uses.get(name) ?? []).map(({ source }) => source);
      return typeUrl === SECRET ? (secretUses.get(name) ?? []).map(({ source }) => source) : [];
    },
    ownersOf: (resource) => (resources.get(resourceKey(resource)) ?? []).map(({ source }) => source.object),
    diagnostics: graph.union('diagnostics of configs', ofNames, ofSets),
    standing: graph.derive(
      'configs in force',
      standing,
      ({ config }, key, read): ConfigInForce | undefined =>
        config && { config, created: read(verdicts, key)?.object.metadata.creationTimestamp ?? '' },
    ),
  };
}

interface Standing {
  readonly config?: EnvoyConfig;
  readonly diagnostics: readonly Diagnostic[];
}

interface Surroundings {
  readonly claimsOf: (name: string) => readonly Claim[] | undefined;
  readonly secretOf: (use: KubernetesSecret) => ConfigSecret | undefined;
  readonly ownNode: OwnNode | undefined;
}

/** A config stands where none older has one of its names for something else, and all Secrets that it names are there. */
function judgeSurroundings(verdict: ConfigVerdict, surroundings: Surroundings): Standing {
  const { inForce } = verdict;
  if (!inForce) return { diagnostics: [] };
  const diagnostics = [...takenNames(inForce, surroundings), ...unusableSecrets(inForce, surroundings)];
  if (diagnostics.length > 0) return { diagnostics };
  return surroundings.ownNode ? onOwnNode(inForce, surroundings.ownNode) : { config: inForce, diagnostics };
}

/** What is the same to the byte may be several configs', and stays as long as one has it. */
function takenNames(config: EnvoyConfig, { claimsOf }: Surroundings): readonly Diagnostic[] {
  return claimedNames(config).flatMap(({ resource, version, source }) => {
    const oldest = oldestOf(claimsOf(resourceKey(resource)) ?? []);
    if (oldest === undefined || oldest.version === version) return [];
    const message = `${JSON.stringify(resource.name)} is something else in ${oldest.owner}, which is older; none of this object is served`;
    return [diagnoseEnvoyConfig(source.object, source.path, 'NameTaken', message)];
  });
}

function unusableSecrets({ secrets }: EnvoyConfig, { secretOf }: Surroundings): readonly Diagnostic[] {
  return secrets.flatMap((use) => {
    const { source } = use;
    const found = secretOf(use);
    if (!found || !('problem' in found)) return [];
    const message = `Secret ${inputKey(use)} ${found.problem}; none of this object is served`;
    return [diagnoseEnvoyConfig(source.object, source.path, 'ConfigSecretUnusable', message)];
  });
}

function oldestOf(claims: readonly Claim[]): Claim | undefined {
  const sooner = (a: Claim, b: Claim) => (a.created === b.created ? a.config < b.config : a.created < b.created);
  return claims.reduce<Claim | undefined>((oldest, claim) => (oldest && sooner(oldest, claim) ? oldest : claim), undefined);
}

/** A set that is empty is one, too: its cluster is then known to be empty, and answers at once. */
function gatherSet(users: readonly ServiceEndpoints[], service: Service | undefined, slices: readonly EndpointSlice[]): SetResult {
  const [{ name = '', port, namespace = '', service: wanted = '', forNodes = false } = {}] = users;
  const ports = service ? portsOf(service.spec.ports, port) : [];
  const found = service ? ports.map((number) => ingestEndpoints(service, number, slices, { withBothFamilies: true, forNodes })) : [];
  const endpoints = distinct(found.flatMap((set) => set.endpoints.endpoints));
  const sources = found[0]?.endpoints.sources ?? [];
  const missing = service
    ? `Service ${namespace}/${wanted} has no port ${port ?? 'of TCP'}`
    : `Service ${namespace}/${wanted} is not there`;
  const diagnostics =
    ports.length > 0 ? [] : users.map(({ source }) => diagnoseEnvoyConfig(source.object, source.path, 'BackendServiceNotFound', missing));
  return { endpoints: { name, endpoints, sources }, diagnostics };
}

function distinct(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const byKey = new Map(endpoints.map((endpoint) => [`${endpoint.address} ${String(endpoint.port).padStart(5, '0')}`, endpoint]));
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}
