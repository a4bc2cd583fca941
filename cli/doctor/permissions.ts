/** What the controllers may do at the API server and need to: what `manifests/install.yaml` grants them, which a test compares. */
export interface Permission {
  readonly group: string;
  /** With its subresource, as in `ingresses/status`. */
  readonly resource: string;
  readonly verb: string;
  /** The only object that it is about. */
  readonly name?: string;
  /** Only in the namespace of Sluice. */
  readonly isOwnNamespace: boolean;
}

const CERTIFICATES = 'certificates.k8s.io';
const CILIUM_KINDS = ['ciliumnetworkpolicies', 'ciliumclusterwidenetworkpolicies', 'ciliumenvoyconfigs', 'ciliumclusterwideenvoyconfigs'];

export const CONTROLLER_PERMISSIONS: readonly Permission[] = [
  ...anywhere('networking.k8s.io', ['ingresses', 'ingressclasses'], ['list', 'watch']),
  ...anywhere('', ['services'], ['list', 'watch', 'create', 'patch', 'delete']),
  ...anywhere('discovery.k8s.io', ['endpointslices'], ['list', 'watch', 'create', 'patch', 'delete']),
  ...anywhere('', ['secrets'], ['get', 'list', 'watch']),
  ...anywhere('networking.k8s.io', ['ingresses/status'], ['patch']),
  ...anywhere('', ['nodes'], ['list', 'watch']),
  ...anywhere('sluice.io', ['sluicesettings'], ['list', 'watch']),
  ...anywhere('sluice.io', ['sluicesettings/status'], ['patch']),
  ...anywhere('events.k8s.io', ['events'], ['create', 'get', 'patch']),
  ...anywhere(CERTIFICATES, ['certificatesigningrequests'], ['list', 'watch']),
  ...anywhere(CERTIFICATES, ['certificatesigningrequests/approval', 'certificatesigningrequests/status'], ['update']),
  ...anywhere(CERTIFICATES, ['signers'], ['approve', 'sign'], 'sluice.io/node'),
  ...here('coordination.k8s.io', ['leases'], ['create']),
  ...here('coordination.k8s.io', ['leases'], ['get', 'update'], 'sluice-controller'),
  ...here('', ['secrets', 'configmaps'], ['create']),
  ...here('', ['secrets'], ['update'], 'sluice-ca'),
  ...here('', ['configmaps'], ['get', 'patch'], 'sluice-ca'),
];

/** What controllers may do beside that where policies are enforced: what `manifests/policy.yaml` grants them. */
export const POLICY_PERMISSIONS: readonly Permission[] = [
  ...anywhere('', ['pods', 'namespaces', 'nodes'], ['list', 'watch']),
  ...anywhere('networking.k8s.io', ['networkpolicies'], ['list', 'watch']),
  ...anywhere('cilium.io', CILIUM_KINDS, ['list', 'watch']),
  ...anywhere(
    'cilium.io',
    CILIUM_KINDS.map((resource) => `${resource}/status`),
    ['patch'],
  ),
  ...anywhere('apiextensions.k8s.io', ['customresourcedefinitions'], ['create']),
  ...CILIUM_KINDS.flatMap((plural) => anywhere('apiextensions.k8s.io', ['customresourcedefinitions'], ['get'], `${plural}.cilium.io`)),
  ...anywhere('sluice.io', ['sluiceidentities'], ['list', 'watch', 'create', 'patch', 'delete']),
];

function anywhere(group: string, resources: readonly string[], verbs: readonly string[], name?: string): readonly Permission[] {
  return permissions(false, group, resources, verbs, name);
}

function here(group: string, resources: readonly string[], verbs: readonly string[], name?: string): readonly Permission[] {
  return permissions(true, group, resources, verbs, name);
}

function permissions(isOwnNamespace: boolean, group: string, resources: readonly string[], verbs: readonly string[], name?: string) {
  return resources.flatMap((resource) =>
    verbs.map((verb): Permission => ({ group, resource, verb, isOwnNamespace, ...(name !== undefined && { name }) })),
  );
}

/** As `kubectl auth can-i` would be asked: `patch ingresses.networking.k8s.io/status`. */
export function describePermission({ group, resource, verb, name }: Permission): string {
  const [kind = '', subresource] = resource.split('/');
  const full = group === '' ? kind : `${kind}.${group}`;
  return `${verb} ${full}${subresource === undefined ? '' : `/${subresource}`}${name === undefined ? '' : ` ${name}`}`;
}
