import { decodeService, decodeSlice } from '../../agent/enforcement/decode-services.ts';
import type { ServiceObjects } from '../../agent/enforcement/node-services.ts';
import { translateService, translateSlice } from '../../controller/enforcement/services.ts';
import { validateObject } from '../../kube/index.ts';
import type { AddressEntry, Identity, SubjectPolicy, Verdict } from '../../model/index.ts';
import { ENDPOINT_SLICE_TYPE, type Resource, SERVICE_TYPE } from '../../xds-server/serve/index.ts';

const ENDPOINTS_OF_SERVICE = 3;
const FIRST = 256;

/** So many pods of a cluster, in turn of one of so many identities. */
export function addressEntries(count: number, identities = 10_000): readonly AddressEntry[] {
  return Array.from({ length: count }, (_, index) => {
    return { prefix: `10.${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}/32`, identity: FIRST + (index % identities) };
  });
}

/** One that lets in as many others as there are to be verdicts, each by one port. */
export function policyOf(subject: Identity, verdicts: number): SubjectPolicy {
  const sources = [{ object: { kind: 'NetworkPolicy', namespace: 'bench', name: `policy-${subject}` }, path: ['spec', 'ingress', 0] }];
  const allow = (peer: Identity): Verdict => ({ peer, protocol: 6, port: 80, portPrefixLength: 16, decision: { kind: 'allow' }, sources });
  const ingress = { defaultDeny: true, verdicts: Array.from({ length: verdicts }, (_, index) => allow(FIRST + index)) };
  return { subject, ingress, egress: { defaultDeny: false, verdicts: [] } };
}

/** As a node reads them. */
export function serviceObjects(count: number): Required<Pick<ServiceObjects, 'services' | 'slices'>> {
  const resources = serviceResources(count);
  const of = (type: string) => resources.filter(({ typeUrl }) => typeUrl === type);
  return {
    services: of(SERVICE_TYPE).map(({ name, body }) => decodeService(name, body)),
    slices: of(ENDPOINT_SLICE_TYPE).map(({ name, body }) => decodeSlice(name, body)),
  };
}

/** As nodes are told of them. */
export function serviceResources(count: number): readonly Resource[] {
  return Array.from({ length: count }, (_, index) => serviceAt(index)).flat();
}

function serviceAt(index: number): readonly Resource[] {
  const name = `service-${index}`;
  const metadata = { name, namespace: 'bench' };
  const clusterIP = `10.96.${index >> 8}.${index & 255}`;
  const spec = { type: 'ClusterIP', clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80 }] };
  const service = read({ apiVersion: 'v1', kind: 'Service', metadata, spec });
  const endpoints = Array.from({ length: ENDPOINTS_OF_SERVICE }, (_, number) => ({
    addresses: [`10.${128 + number}.${index >> 8}.${index & 255}`],
    conditions: { ready: true, serving: true },
  }));
  const slice = read({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    endpoints,
  });
  if (service.kind !== 'Service' || slice.kind !== 'EndpointSlice') throw new Error('other kinds were read than written');
  return [translateService(service), translateSlice(slice)].flatMap((resource) => resource ?? []);
}

function read(manifest: object) {
  const validation = validateObject(manifest);
  if (validation.result !== 'valid') throw new Error(JSON.stringify(validation));
  return validation.object;
}
