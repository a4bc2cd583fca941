import type { Action, Manifest, Service } from '../../kube/index.ts';
import type { ServiceOptions } from '../annotations/service-options.ts';
import { deletion } from './deletion.ts';
import { INGRESS_LABEL, MANAGED_BY_LABEL, MANAGER } from './names.ts';

/** Names the keys of labels and annotations that were copied, so that those can be told that are no longer there. */
const COPIED_ANNOTATION = 'ingress.sluice.io/copied';

const HEADLESS = 'None';

type Texts = Readonly<Record<string, string>>;

/** A Service that an Ingress, or all shared ones, are to have. */
export interface WantedService {
  readonly namespace: string;
  readonly name: string;
  readonly options: ServiceOptions;
  /** From an Ingress or the settings, beside our own. */
  readonly labels: Texts;
  readonly annotations: Texts;
  readonly ownerReferences: readonly object[];
}

/** Those whose key begins with one of the prefixes. */
export function copiedTexts(texts: Texts, prefixes: readonly string[]): Texts {
  return Object.fromEntries(Object.entries(texts).filter(([key]) => prefixes.some((prefix) => key.startsWith(prefix))));
}

/**
 * What has to be done to a Service: to apply it, or nothing. What others put there, such as cluster addresses, node ports that nobody asked
 * for or a class that was defaulted, makes no difference. A headless one, such as Cilium makes for its host network mode, can never get an
 * address, so it is deleted, and made anew when it is gone.
 * @param actual the one in the API server if it is ours, undefined if there is none
 */
export function compareService(wanted: WantedService, actual: Service | undefined): Action | undefined {
  if (actual?.spec.clusterIP === HEADLESS) return deletion(actual);
  if (actual && isAsWanted(wanted, actual)) return undefined;
  const { namespace, name } = wanted;
  const uid = actual?.metadata.uid;
  return {
    kind: 'apply',
    ref: { kind: 'Service', namespace, name },
    manifest: manifestOf(wanted, actual),
    ...(uid !== undefined && { uid }),
  };
}

/**
 * The class cannot change once a Service is of type LoadBalancer, nor be left out if it was applied before.
 * @see https://kubernetes.io/docs/concepts/services-networking/service/#load-balancer-class
 */
export function effectiveClass({ options }: WantedService, actual: Service | undefined): string | undefined {
  if (options.type !== 'LoadBalancer') return undefined;
  return actual?.spec.type === 'LoadBalancer' ? actual.spec.loadBalancerClass : options.loadBalancerClass;
}

function manifestOf(wanted: WantedService, actual: Service | undefined): Manifest {
  const { namespace, name, options, ownerReferences } = wanted;
  const loadBalancerClass = effectiveClass(wanted, actual);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace,
      labels: labelsOf(wanted),
      annotations: annotationsOf(wanted),
      ...(ownerReferences.length > 0 && { ownerReferences }),
    },
    spec: {
      type: options.type,
      ...(loadBalancerClass !== undefined && { loadBalancerClass }),
      ...(options.type !== 'ClusterIP' && { externalTrafficPolicy: options.externalTrafficPolicy }),
      ports: portsOf(options).map(({ nodePort, ...port }) => ({ ...port, ...(nodePort !== undefined && { nodePort }) })),
    },
  };
}

function portsOf({ type, insecureNodePort, secureNodePort }: ServiceOptions) {
  const isOpen = type !== 'ClusterIP';
  return [
    { name: 'http', port: 80, protocol: 'TCP', nodePort: isOpen ? insecureNodePort : undefined },
    { name: 'https', port: 443, protocol: 'TCP', nodePort: isOpen ? secureNodePort : undefined },
  ];
}

function labelsOf({ labels }: WantedService): Texts {
  return { ...labels, [INGRESS_LABEL]: 'true', [MANAGED_BY_LABEL]: MANAGER };
}

function annotationsOf({ labels, annotations }: WantedService): Texts {
  const copied = [...Object.keys(labels), ...Object.keys(annotations)].sort().join(',');
  return copied === '' ? annotations : { ...annotations, [COPIED_ANNOTATION]: copied };
}

function isAsWanted(wanted: WantedService, { metadata, spec }: Service): boolean {
  const { type, externalTrafficPolicy } = wanted.options;
  const annotations = annotationsOf(wanted);
  return (
    spec.type === type &&
    (type === 'ClusterIP' || (spec.externalTrafficPolicy ?? 'Cluster') === externalTrafficPolicy) &&
    hasTexts(metadata.labels, labelsOf(wanted)) &&
    hasTexts(metadata.annotations, annotations) &&
    metadata.annotations[COPIED_ANNOTATION] === annotations[COPIED_ANNOTATION] &&
    portsOf(wanted.options).every(({ name, port, protocol, nodePort }) => {
      const found = spec.ports.find((candidate) => candidate.port === port && candidate.protocol === protocol);
      return found?.name === name && (nodePort === undefined || found.nodePort === nodePort);
    })
  );
}

/** Whether all of these are there, among whatever else. */
export function hasTexts(actual: Texts, wanted: Texts): boolean {
  return Object.entries(wanted).every(([key, value]) => actual[key] === value);
}
