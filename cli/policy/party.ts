import { type Pod, refOf } from '../../kube/index.ts';
import { editDistance, formatObject, type Identity, type ObjectRef, type PodEndpoint, RESERVED_IDENTITIES } from '../../model/index.ts';
import { parseLabel } from '../../policy/index.ts';
import { CliError } from '../cli-error.ts';
import { someOf } from '../text/some-of.ts';
import type { PartyName } from './party-name.ts';
import { type Family, familyOf, type PolicyWorld } from './policy-world.ts';

/** Who sends or receives a packet, found in a {@link PolicyWorld}. */
export interface Party {
  readonly title: string;
  /** Whose policy judges the packet; undefined where nobody's does. */
  readonly endpoint: PodEndpoint | undefined;
  readonly addresses: readonly string[];
  /** Whom others take it for, where that is not told by an address. */
  readonly entity: Identity | undefined;
  /** What else is to be known of it. */
  readonly notes: readonly string[];
}

const NAMESPACE = 'k8s:io.kubernetes.pod.namespace';
const SERVICE_ACCOUNT = 'k8s:io.cilium.k8s.policy.serviceaccount';
const DERIVED = /^k8s:io\.(cilium\.k8s|kubernetes)\./;
const NEAREST = 3;

/** A pod that there would be with these labels, so that what none has yet can be asked for. */
export function podWithLabels(labels: readonly string[]): Pod {
  const valueOfKey = (key: string) => labels.find((label) => label.startsWith(`${key}=`))?.slice(key.length + 1);
  const own = labels.filter((label) => !DERIVED.test(label)).map(parseLabel);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: labels.join(','),
      namespace: valueOfKey(NAMESPACE) ?? 'default',
      uid: labels.join(','),
      labels: Object.fromEntries(own.map(({ key, value }) => [key, value])),
      annotations: {},
    },
    spec: { nodeName: undefined, hostNetwork: false, serviceAccountName: valueOfKey(SERVICE_ACCOUNT), ports: [] },
    status: { phase: 'Running', addresses: [] },
  };
}

/** @throws CliError for what is not there, or is not one party */
export function findParty(world: PolicyWorld, name: PartyName): Party {
  switch (name.kind) {
    case 'pod':
      return ofPod(world, name.namespace, name.name);
    case 'labels':
      return ofLabels(world, name.labels);
    case 'address':
      return ofAddress(world, name.address);
    case 'entity': {
      const entity = name.entity === 'world' ? undefined : RESERVED_IDENTITIES[name.entity];
      return { title: name.entity, endpoint: undefined, addresses: [], entity, notes: [] };
    }
  }
}

/** Whom an endpoint takes a party for. */
export function identityOf(world: PolicyWorld, { endpoint, addresses, entity }: Party, family: Family, seenFrom: PodEndpoint): Identity {
  if (entity !== undefined) return entity;
  const address = addresses.find((each) => familyOf(each) === family);
  if (address !== undefined) return world.identityAt(address, seenFrom.node);
  return endpoint?.identity ?? RESERVED_IDENTITIES[family === 4 ? 'world-ipv4' : 'world-ipv6'];
}

function ofPod(world: PolicyWorld, namespace: string, name: string): Party {
  const pod = world.pod(namespace, name);
  if (!pod) throw new CliError('failed', describeMissing(world, namespace, name));
  const ref = refOf(pod);
  if (pod.spec.hostNetwork) {
    const notes = [`${formatObject(ref)} is of the host network, for which no policy does anything: others see its node`];
    const { addresses } = pod.status;
    const entity = addresses.length > 0 ? undefined : RESERVED_IDENTITIES['remote-node'];
    return { title: formatObject(ref), endpoint: undefined, addresses, entity, notes };
  }
  const endpoint = world.endpoint(ref);
  if (!endpoint) throw new CliError('failed', `${formatObject(ref)} has ended (${pod.status.phase}), and sends and receives nothing`);
  return ofEndpoint(world, endpoint, formatObject(ref));
}

/** Of pods that have these labels and maybe more those come first that have no more. */
function ofLabels(world: PolicyWorld, labels: readonly string[]): Party {
  const assumed = world.endpoint(refOf(podWithLabels(labels)));
  if (!assumed || labels.some((label) => !world.labelsOf(assumed.identity).includes(label)))
    throw new CliError('usage', `${labels.join(',')}: a pod's identity cannot have these labels`);
  const found = world.endpointsWithLabels(labels, assumed.pod);
  const [only, ...others] = found.filter(({ identity }) => identity === assumed.identity).concat(found);
  if (only && only.identity !== assumed.identity && others.length > 0) {
    const names = found.map(({ pod }) => `${pod.namespace}/${pod.name}`);
    throw new CliError('failed', `pods that policies can tell apart have ${labels.join(',')}: name one, such as ${someOf(names, NEAREST)}`);
  }
  if (only) return ofEndpoint(world, only, labels.join(','));
  const notes = [`no pod has ${labels.join(',')}: judged as one would be`];
  return { title: labels.join(','), endpoint: assumed, addresses: assumed.addresses, entity: undefined, notes };
}

function ofAddress(world: PolicyWorld, address: string): Party {
  const endpoint = world.endpointAt(address);
  const title = endpoint ? `${address}, of ${formatObject(endpoint.pod)}` : address;
  return { title, endpoint, addresses: [address], entity: undefined, notes: [] };
}

function ofEndpoint(world: PolicyWorld, endpoint: PodEndpoint, title: string): Party {
  const note = `${formatObject(endpoint.pod)} has no address yet: rules that name addresses are judged for ${endpoint.addresses.join(' and ')}`;
  return { title, endpoint, addresses: endpoint.addresses, entity: undefined, notes: world.isPlaced(endpoint.pod) ? [note] : [] };
}

function describeMissing(world: PolicyWorld, namespace: string, name: string): string {
  const wanted = `${namespace}/${name}`;
  const known = world.pods().map(({ metadata }): ObjectRef => ({ kind: 'Pod', namespace: metadata.namespace, name: metadata.name }));
  const names = known.map((pod) => ({ pod: `${pod.namespace}/${pod.name}`, distance: distanceOf(pod, namespace, name) }));
  const [nearest] = names.sort((a, b) => a.distance - b.distance || (a.pod < b.pod ? -1 : 1));
  const hint = nearest ? `did you mean ${nearest.pod}?` : 'there are no pods;';
  return `there is no Pod ${wanted}; ${hint} labels such as k8s:app=${name} need none`;
}

/** Pods of a Deployment have its name and something behind it. */
function distanceOf(pod: ObjectRef, namespace: string, name: string): number {
  const elsewhere = editDistance(pod.namespace, namespace);
  return elsewhere + (pod.name.startsWith(`${name}-`) ? 0 : editDistance(pod.name, name));
}
