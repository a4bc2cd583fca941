import type { AuditEvent } from '../testkit/audit-log.ts';

/** What of a manifest says who may do what. */
export interface RightsManifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
    readonly resourceNames?: readonly string[];
  }[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[];
}

/** One verb on one resource of one rule, as a service account has it. */
export interface Right {
  /** `system:serviceaccount:NAMESPACE:NAME` */
  readonly user: string;
  /** Such as `ClusterRole sluice-controller`. */
  readonly role: string;
  readonly group: string;
  /** With its subresource, as in `ingresses/status`. */
  readonly resource: string;
  readonly verb: string;
  /** The only object that it is about; undefined for all. */
  readonly name: string | undefined;
  /** The only namespace that it holds in; undefined for all. */
  readonly namespace: string | undefined;
}

type Use = Pick<Right, 'group' | 'resource' | 'verb'> & { readonly name: string; readonly namespace: string };

/** Where what is granted and what was asked for are not the same; a line each, sorted. */
export interface Difference {
  /** Requests that the API server did not allow. */
  readonly refused: readonly string[];
  /** Requests that no rule is for: they were allowed by something else. */
  readonly ungranted: readonly string[];
  /** Rights that nobody used. */
  readonly unused: readonly string[];
  /** Rights that another one of the same account contains. */
  readonly superfluous: readonly string[];
}

const FORBIDDEN = 403;
const CREATED = 201;
/** The one whose requests the leader answers; the log does not say of which signer a request is. */
const SIGNER = 'sluice.io/node';

/** All rights that Roles and ClusterRoles among the manifests give to service accounts by bindings among them. */
export function rightsOf(manifests: readonly RightsManifest[]): readonly Right[] {
  return manifests
    .filter(({ kind }) => kind === 'RoleBinding' || kind === 'ClusterRoleBinding')
    .flatMap(({ kind, metadata, roleRef, subjects = [] }) => {
      const namespace = kind === 'RoleBinding' ? metadata.namespace : undefined;
      const role = manifests.find((candidate) => candidate.kind === roleRef?.kind && candidate.metadata.name === roleRef.name);
      if (role === undefined) throw new Error(`${kind} ${metadata.name} is of a role that is not there`);
      const users = subjects.map((subject) => `system:serviceaccount:${subject.namespace}:${subject.name}`);
      return users.flatMap((user) => rightsOfRole(role, user, namespace));
    });
}

function rightsOfRole({ kind, metadata, rules = [] }: RightsManifest, user: string, namespace: string | undefined): readonly Right[] {
  const role = `${kind} ${metadata.name}`;
  return rules.flatMap(({ apiGroups, resources, verbs, resourceNames = [undefined] }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        verbs.flatMap((verb) => resourceNames.map((name) => ({ user, role, group, resource, verb, name, namespace }))),
      ),
    ),
  );
}

/**
 * Compares what service accounts may do with what they did.
 * @param rights of all accounts of a namespace that may do anything
 * @param events those of other users are left out
 */
export function compareRights(rights: readonly Right[], events: readonly AuditEvent[]): Difference {
  const namespaces = new Set(rights.map(({ user }) => user.slice(0, user.lastIndexOf(':') + 1)));
  const isOurs = ({ user }: AuditEvent) => namespaces.has(user.username.slice(0, user.username.lastIndexOf(':') + 1));
  const [refused, ungranted, used] = [new Set<string>(), new Set<string>(), new Set<Right>()];
  for (const event of events.filter(isOurs)) {
    const { username } = event.user;
    if (event.responseStatus.code === FORBIDDEN) refused.add(`${username}: ${event.verb} ${event.requestURI}`);
    for (const use of usesOf(event)) {
      const by = rights.filter((right) => right.user === username && covers(right, use));
      for (const right of by) used.add(right);
      if (by.length === 0) ungranted.add(`${username}: ${use.verb} ${describeResource(use)} ${use.namespace}/${use.name}`);
    }
  }
  const isSuperfluous = (right: Right, index: number) => rights.some((other, at) => at !== index && contains(other, right));
  return {
    refused: [...refused].sort(),
    ungranted: [...ungranted].sort(),
    unused: describeRights(rights.filter((right) => !used.has(right))),
    superfluous: describeRights(rights.filter(isSuperfluous)),
  };
}

/** What a request needs to be allowed, whatever came of it. */
function usesOf({ verb, requestURI, objectRef, responseStatus }: AuditEvent): readonly Use[] {
  if (objectRef === undefined) return [{ group: '', resource: requestURI, verb, name: '', namespace: '' }];
  const { apiGroup: group, resource, subresource, namespace, name } = objectRef;
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  const use = { group, resource: full, verb, name, namespace };
  if (responseStatus.code >= 400) return [use];
  return [use, ...impliedUses(use, responseStatus.code)];
}

/** What the API server asks for while it carries a request out, of which the log says nothing. */
function impliedUses(use: Use, code: number): readonly Use[] {
  // https://kubernetes.io/docs/reference/using-api/server-side-apply/#api-implementation
  if (use.verb === 'patch' && code === CREATED) return [{ ...use, verb: 'create' }];
  // https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#authorization
  const verb = { 'certificatesigningrequests/approval': 'approve', 'certificatesigningrequests/status': 'sign' }[use.resource];
  return verb === undefined ? [] : [{ group: use.group, resource: 'signers', verb, name: SIGNER, namespace: '' }];
}

/** @see https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources */
function covers(right: Right, use: Use): boolean {
  return (
    right.group === use.group &&
    right.resource === use.resource &&
    right.verb === use.verb &&
    (right.name === undefined || right.name === use.name) &&
    (right.namespace === undefined || right.namespace === use.namespace)
  );
}

function contains(wide: Right, narrow: Right): boolean {
  return (
    wide.user === narrow.user &&
    wide.group === narrow.group &&
    wide.resource === narrow.resource &&
    wide.verb === narrow.verb &&
    (wide.name === undefined || wide.name === narrow.name) &&
    (wide.namespace === undefined || wide.namespace === narrow.namespace)
  );
}

function describeRights(rights: readonly Right[]): readonly string[] {
  return rights
    .map((right) => `${right.role}: ${right.verb} ${describeResource(right)}${right.name === undefined ? '' : ` ${right.name}`}`)
    .sort();
}

function describeResource({ group, resource }: Pick<Right, 'group' | 'resource'>): string {
  const [kind = '', ...subresource] = resource.split('/');
  return [group === '' ? kind : `${kind}.${group}`, ...subresource].join('/');
}
