import { type Action, type EndpointSlice, quote, refOf } from '../../kube/index.ts';
import type { ObjectRef } from '../../model/index.ts';
import type { Report } from '../report.ts';
import { deletion } from './deletion.ts';
import { SLICE_MANAGED_BY_LABEL, sliceName } from './names.ts';
import { type Nodes, partitionNodes } from './nodes.ts';
import { isMadeByUs, type Ownership } from './ownership.ts';
import { compareSlice, SLICE_PORT_NAMES, type WantedSlice } from './slice.ts';

/** The EndpointSlices that a Service is to have, but for what is in which. */
export interface WantedSlices extends Pick<WantedSlice, 'namespace' | 'service' | 'ports' | 'ownerReferences'> {
  readonly nodes: Nodes;
}

export interface PresentSlices {
  readonly named: (ref: Omit<ObjectRef, 'kind'>) => EndpointSlice | undefined;
  /** All that say that they are of the Service, in any order. */
  readonly all: readonly EndpointSlice[];
  readonly ownership: (slice: EndpointSlice | undefined) => Ownership;
}

/**
 * What has to be done so that a Service leads to the nodes: slices to apply, and those of ours to delete that are not wanted any more.
 * There is always one for IPv4, which remembers the port.
 */
export function compareSlices(wanted: WantedSlices, present: PresentSlices, report: Report): readonly (Action | undefined)[] {
  const { nodes, namespace, service } = wanted;
  const actions: (Action | undefined)[] = [];
  const names = new Set<string>();
  for (const addressType of ['IPv4', 'IPv6'] as const) {
    if (addressType === 'IPv6' && nodes.IPv6.length === 0) continue;
    for (const [part, members] of partitionNodes(nodes[addressType])) {
      const name = sliceName(service, addressType, part);
      names.add(name);
      const slice = present.named({ namespace, name });
      const ownership = present.ownership(slice);
      if (ownership === 'foreign') {
        report.add([], 'ServiceNameTaken', `EndpointSlice ${quote(`${namespace}/${name}`)} exists and is not ours; it is left alone`);
      }
      if (ownership === 'foreign' || ownership === 'going') continue;
      actions.push(compareSlice({ ...wanted, name, addressType, nodes: members }, slice));
    }
  }
  reportForeign(present, names, report);
  const superfluous = present.all.filter((slice) => !names.has(slice.metadata.name) && isOursToDelete(slice, present));
  return [...actions, ...superfluous.map(deletion)];
}

/** The deletion of whatever slices of a Service we made. */
export function withdrawSlices(present: PresentSlices): readonly Action[] {
  return present.all.filter((slice) => isOursToDelete(slice, present)).map(deletion);
}

function isOursToDelete(slice: EndpointSlice, { ownership }: PresentSlices): boolean {
  return ownership(slice) === 'ours' && isMadeByUs(slice);
}

/**
 * Says which slices of others draw requests away. A proxy goes by the names of ports, so that the one that Kubernetes mirrors from the
 * Endpoints object of an older Cilium, with address 192.192.192.192 and a port without a name, does no harm and is not worth a word; that is
 * why nobody's Endpoints are deleted.
 * @see https://kubernetes.io/docs/reference/networking/virtual-ips/
 */
function reportForeign({ all, ownership }: PresentSlices, told: ReadonlySet<string>, report: Report): void {
  const drawing = all.filter((slice) => !told.has(slice.metadata.name) && ownership(slice) === 'foreign' && isDrawing(slice));
  for (const slice of drawing.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))) {
    const { namespace, name } = refOf(slice);
    const maker = slice.metadata.labels[SLICE_MANAGED_BY_LABEL];
    const made = maker === undefined ? '' : `, made by ${quote(maker)},`;
    const message = `EndpointSlice ${quote(`${namespace}/${name}`)}${made} draws requests away from the nodes; delete it or what it is made from`;
    report.add([], 'ForeignEndpoints', message);
  }
}

function isDrawing({ endpoints, ports }: EndpointSlice): boolean {
  return endpoints.length > 0 && ports.some(({ name, protocol }) => protocol === 'TCP' && SLICE_PORT_NAMES.includes(name ?? ''));
}
