import type { FileRegistry } from '@bufbuild/protobuf';
import type { ObjectRef } from '../model/index.ts';
import type { ResourceName } from '../xds-server/serve/resource.ts';
import { mayRequire } from '../xds-server/serve/types.ts';
import type { KubernetesSecret, ServiceEndpoints } from './envoy-config.ts';
import { type Edge, findLoops } from './loops.ts';
import { below, type Path } from './messages/path.ts';
import type { ReadResource } from './read-resource.ts';
import type { ResourceKind } from './references/meaning.ts';
import { qualifyMessage } from './references/qualify-message.ts';
import { qualifyDefinition, qualifyReference } from './references/qualify-names.ts';
import { type Reference, referencesIn, rewriteReferences } from './references/references.ts';
import type { Report } from './report.ts';
import { isResourceKind, NAMED_BY, nameOf, typeUrlOfKind } from './resource-kinds.ts';
import { secretKindOf, secretResourceName, TELL_SECRET, wantedSecretKind } from './secret-kind.ts';
import { type Backend, serviceEndpoints } from './service-endpoints.ts';

/** A resource under the name by which Envoy knows it, as are all that it names. */
export interface NamedResource {
  readonly read: ReadResource;
  readonly name: string;
  /** What Envoy has to have for it, each once. */
  readonly requires: readonly ResourceName[];
}

export interface NamedResources {
  readonly resources: readonly NamedResource[];
  /** Endpoints of Services that clusters name, each once, sorted. */
  readonly endpointSets: readonly ServiceEndpoints[];
  /** Secrets of Kubernetes that are named, each once for what it is used for, sorted. */
  readonly secrets: readonly KubernetesSecret[];
}

export interface NamingOptions {
  readonly registry: FileRegistry;
  /** The Services whose endpoints the config may use. */
  readonly backends: readonly Backend[];
  /** Whether these are all resources of the config. */
  readonly isWhole: boolean;
  /** Whether endpoints of Services are, on each node, those that the Service keeps clients of the node with. Default: all. */
  readonly forNodes?: boolean;
}

/** Gives the resources of a config, and all names in them, the form that no other config's have; what names nothing is told. */
export function nameResources(resources: readonly ReadResource[], options: NamingOptions, report: Report): NamedResources {
  const naming = new Naming(options, report);
  for (const resource of resources) naming.define(resource);
  const named = resources.map((read) => ({ read, name: nameOf(read.message.message), requires: naming.resolve(read) }));
  naming.tellLoops();
  return {
    resources: named,
    endpointSets: sorted(naming.endpointSets),
    secrets: sorted(naming.secrets),
  };
}

interface ResourceReference {
  readonly to: ResourceKind;
  /** Full. */
  readonly name: string;
  readonly path: Path;
}

/** The names of one config while its resources get theirs. */
class Naming {
  readonly #owner: ObjectRef;
  readonly #options: NamingOptions;
  readonly #report: Report;
  /** With what is known of it; a name that is not the config's to use stays as it was written. */
  readonly #defined = new Map<string, ReadResource>();
  /** By resource: its own that it names. */
  readonly #edges = new Map<string, Edge[]>();
  readonly endpointSets = new Map<string, ServiceEndpoints>();
  readonly secrets = new Map<string, KubernetesSecret>();

  constructor(options: NamingOptions, report: Report) {
    this.#owner = report.object;
    this.#options = options;
    this.#report = report;
  }

  /** Renames it and all that it names. */
  define(resource: ReadResource): void {
    const { kind, name, message, pathOf } = resource;
    const path = pathOf(below(undefined, NAMED_BY[kind].field));
    if (name === '') this.#report.add(path, 'InvalidEnvoyConfig', 'is missing, and a resource needs a name');
    for (const finding of qualifyMessage(message, this.#options.registry, this.#owner)) {
      this.#report.add(pathOf(finding.path.reduce(below, undefined)), 'NotOfNamespace', finding.message);
    }
    const qualified = qualifyDefinition(this.#owner, kind, name);
    const key = keyOf(kind, qualified.kind === 'name' ? qualified.name : name);
    if (this.#defined.has(key))
      this.#report.add(path, 'InvalidEnvoyConfig', `is ${JSON.stringify(name)}, as another ${kind} of the object is called`);
    this.#defined.set(key, resource);
  }

  /** @returns what Envoy has to have for it */
  resolve(read: ReadResource): readonly ResourceName[] {
    const required = new Map<string, ResourceName>();
    let isKnownOtherwise = false;
    const edges: Edge[] = [];
    this.#edges.set(keyOf(read.kind, nameOf(read.message.message)), edges);
    for (const { to, name: written, path } of referencesIn(read.message, this.#options.registry)) {
      if (!isResourceKind(to)) continue;
      const qualified = qualifyReference(this.#owner, to, written);
      if (qualified.kind === 'refused') continue;
      const { name } = qualified;
      edges.push({ to: keyOf(to, name), at: read.pathOf(path) });
      const known = { typeUrl: typeUrlOfKind(to), name: this.#knownAs({ to, name, path }) };
      isKnownOtherwise ||= known.name !== name;
      if (!this.#isThere({ to, name, path }, read)) this.#tell({ to, name, path }, read);
      else if (mayRequire(typeUrlOfKind(read.kind), known.typeUrl)) required.set(keyOf(to, known.name), known);
    }
    if (isKnownOtherwise) rewriteReferences(read.message, this.#options.registry, (reference) => this.#knownAs(reference));
    return sorted(required);
  }

  /** To be called once all are resolved. */
  tellLoops(): void {
    for (const { at } of findLoops(this.#edges)) {
      this.#report.add(at, 'InvalidEnvoyConfig', 'leads back to where it comes from: what is sent there would go round for ever');
    }
  }

  /** What Envoy knows by a full name: Secrets of Kubernetes have another where they are used as authorities, endpoints where they differ from node to node. */
  #knownAs({ to, name, path }: Reference): string {
    if (!isResourceKind(to) || this.#defined.has(keyOf(to, name))) return name;
    if (to === 'endpoints') return this.#options.forNodes ? nodesEndpoints(name) : name;
    if (to !== 'secret' || !isOfKubernetes(name)) return name;
    return secretResourceName(name, wantedSecretKind(path));
  }

  #isThere({ to, name, path }: ResourceReference, { pathOf }: ReadResource): boolean {
    const own = this.#defined.get(keyOf(to, name));
    if (own) {
      if (to === 'secret') this.#checkSecret(own, path, pathOf);
      return true;
    }
    if (to === 'endpoints') {
      const found = serviceEndpoints(name, this.#options.backends, this.#owner);
      if (found) this.endpointSets.set(name, this.#options.forNodes ? { ...found, name: nodesEndpoints(name), forNodes: true } : found);
      return found !== undefined;
    }
    if (to !== 'secret' || !isOfKubernetes(name)) return false;
    const [namespace = '', secret = ''] = name.split('/');
    const kind = wantedSecretKind(path);
    const key = `${name} ${kind}`;
    const source = { object: this.#owner, path: pathOf(path) };
    const resource = secretResourceName(name, kind);
    if (!this.secrets.has(key)) this.secrets.set(key, { namespace, name: secret, kind, resource, source });
    return true;
  }

  #checkSecret({ name, message }: ReadResource, path: Path, pathOf: ReadResource['pathOf']): void {
    const [wanted, found] = [wantedSecretKind(path), secretKindOf(message.message)];
    if (found === undefined || found === wanted) return;
    const problem = `names the secret ${JSON.stringify(name)}, which holds ${TELL_SECRET[found]}; here it has to hold ${TELL_SECRET[wanted]}`;
    this.#report.add(pathOf(path), 'InvalidEnvoyConfig', problem);
  }

  #tell({ to, name, path }: ResourceReference, { pathOf }: ReadResource): void {
    if (!this.#options.isWhole) return;
    const own = `${this.#owner.namespace}/${this.#owner.name}/`;
    const written = JSON.stringify(name.startsWith(own) ? name.slice(own.length) : name);
    this.#report.add(pathOf(path), 'ReferenceNotFound', `names the ${to} ${written}, which the object does not have${HINTS[to] ?? ''}`);
  }
}

const HINTS: Partial<Record<ResourceKind, string>> = {
  endpoints: '; nor are they endpoints (namespace/service:port) of its services and backendServices',
  secret: '; nor is it a Secret of Kubernetes (namespace/name)',
};

/** What nobody in a namespace can call anything, and no Ingress does. */
function nodesEndpoints(name: string): string {
  return `for-nodes:${name}`;
}

/** Whether a name is that of a Secret: `namespace/name`. */
function isOfKubernetes(name: string): boolean {
  const [namespace, secret, ...rest] = name.split('/');
  return namespace !== '' && secret !== undefined && secret !== '' && rest.length === 0;
}

function keyOf(kind: ResourceKind, name: string): string {
  return `${kind} ${name}`;
}

function sorted<T>(byName: ReadonlyMap<string, T>): readonly T[] {
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
}
