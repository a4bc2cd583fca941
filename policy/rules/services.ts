import { type EndpointSlice, refOf, type Service } from '../../kube/index.ts';
import { objectKey } from '../../model/index.ts';
import { parseAddress } from '../addresses/prefix.ts';
import { KUBERNETES, type Label, NAMESPACE_KEY } from '../labels/label.ts';
import { LabelSet } from '../labels/label-set.ts';
import { type LabelSelector, matches, type Requirement, requireLabel } from '../labels/selector.ts';
import type { Peer } from './rule.ts';

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** Which Services a rule means. */
export type ServicePick =
  | { readonly kind: 'name'; readonly name: string; readonly namespace: string | undefined }
  | { readonly kind: 'labels'; readonly selector: LabelSelector; readonly namespace: string | undefined };

/** Services, and where those are served whose endpoints somebody else finds. */
export class Services {
  readonly #services = new Map<string, Service>();
  readonly #slices = new Map<string, EndpointSlice>();
  readonly #slicesOfService = new Map<string, Set<string>>();
  #changed = false;

  putService(service: Service): void {
    this.#services.set(nameOf(service.metadata), service);
    this.#changed = true;
  }

  deleteService(namespace: string, name: string): void {
    if (this.#services.delete(nameOf({ namespace, name }))) this.#changed = true;
  }

  putSlice(slice: EndpointSlice): void {
    const key = objectKey(refOf(slice));
    this.deleteSlice(key);
    const service = serviceOf(slice);
    if (service === undefined) return;
    this.#slices.set(key, slice);
    const others = this.#slicesOfService.get(service);
    if (others) others.add(key);
    else this.#slicesOfService.set(service, new Set([key]));
    this.#noteSlice(service);
  }

  deleteSlice(key: string): void {
    const slice = this.#slices.get(key);
    const service = slice && serviceOf(slice);
    if (service === undefined) return;
    this.#slices.delete(key);
    const others = this.#slicesOfService.get(service);
    others?.delete(key);
    if (others?.size === 0) this.#slicesOfService.delete(service);
    this.#noteSlice(service);
  }

  /** Whether something may have changed of what `peers` says since this was asked last. */
  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  /**
   * Whom Services stand for: the pods that they select; where they select none, whoever has the addresses that their EndpointSlices name.
   * @see https://docs.cilium.io/en/stable/security/policy/language/#services-based
   */
  peers(pick: ServicePick): Peer[] {
    return [...this.#services.values()].filter((service) => isPicked(pick, service)).flatMap((service) => this.#peersOf(service));
  }

  #peersOf(service: Service): Peer[] {
    const { metadata, spec } = service;
    if (spec.type === 'ExternalName') return [];
    const selector = Object.entries(spec.selector ?? {});
    if (selector.length > 0) {
      const own = selector.map(([key, value]): Requirement => requireLabel({ source: KUBERNETES, key }, 'In', [value]));
      const inNamespace = requireLabel({ source: KUBERNETES, key: NAMESPACE_KEY }, 'In', [metadata.namespace]);
      return [{ kind: 'labels', selector: { requirements: [inNamespace, ...own] } }];
    }
    const slices = [...(this.#slicesOfService.get(nameOf(metadata)) ?? [])].sort().flatMap((key) => this.#slices.get(key) ?? []);
    const addresses = slices.flatMap(({ endpoints }) => endpoints.flatMap((endpoint) => endpoint.addresses));
    return addresses.flatMap((address): Peer[] => {
      const within = parseAddress(address);
      return within ? [{ kind: 'addresses', within, except: [], of: 'every' }] : [];
    });
  }

  /** Endpoints of a Service that selects pods come and go without meaning anything here. */
  #noteSlice(service: string): void {
    const known = this.#services.get(service);
    if (!known || Object.keys(known.spec.selector ?? {}).length === 0) this.#changed = true;
  }
}

function isPicked(pick: ServicePick, { metadata }: Service): boolean {
  if (pick.namespace !== undefined && pick.namespace !== metadata.namespace) return false;
  if (pick.kind === 'name') return pick.name === metadata.name;
  const labels = Object.entries(metadata.labels).map(([key, value]): Label => ({ source: KUBERNETES, key, value }));
  return matches(pick.selector, new LabelSet(labels));
}

function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

/** The Service of an EndpointSlice, as `namespace/name`. */
export function serviceOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels[SERVICE_NAME_LABEL];
  return name ? nameOf({ namespace: metadata.namespace, name }) : undefined;
}
