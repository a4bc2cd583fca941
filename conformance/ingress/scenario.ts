import type { World } from './world.ts';

export const AREAS = [
  'default backend',
  'host rules',
  'path rules',
  'ingress class',
  'load balancing',
  'services',
  'tls',
  'protocols',
  'status',
  'placement',
  'ownership',
  'changes',
] as const;

export type Area = (typeof AREAS)[number];

/** One behaviour of an Ingress, as the documentation of Kubernetes or of the annotations has it. */
export interface Scenario {
  readonly area: Area;
  /** A sentence about what holds. Unique in its area. */
  readonly name: string;
  /** What it is derived from. */
  readonly reference: string;
  /** Which scenarios of kubernetes-sigs/ingress-controller-conformance check the same, as `FEATURE: SUBJECT`. */
  readonly covers?: readonly string[];
  /** Why only a cluster can show it; absent where a Sluice without cluster can, too. */
  readonly needsCluster?: string;
  /** Whether it changes what others see, such as the default class, so that it runs by itself. Default: false. */
  readonly alone?: boolean;
  /** How many requests it sends at least; fewer are a failure, since then it has shown nothing. Default: 1. */
  readonly requests?: number;
  /** @throws where it does not hold */
  readonly run: (world: World) => Promise<void>;
}

/** `area: name`, by which a scenario is chosen and reported. */
export function titleOf({ area, name }: Pick<Scenario, 'area' | 'name'>): string {
  return `${area}: ${name}`;
}

const DOCUMENTATION = 'https://kubernetes.io/docs/concepts/services-networking';

/** Where the behaviours are described. */
export const REFERENCES = {
  defaultBackend: `${DOCUMENTATION}/ingress/#default-backend`,
  resourceBackend: `${DOCUMENTATION}/ingress/#resource-backend`,
  rules: `${DOCUMENTATION}/ingress/#ingress-rules`,
  pathTypes: `${DOCUMENTATION}/ingress/#path-types`,
  severalMatches: `${DOCUMENTATION}/ingress/#multiple-matches`,
  wildcards: `${DOCUMENTATION}/ingress/#hostname-wildcards`,
  ingressClass: `${DOCUMENTATION}/ingress/#ingress-class`,
  oldAnnotation: `${DOCUMENTATION}/ingress/#deprecated-annotation`,
  defaultClass: `${DOCUMENTATION}/ingress/#default-ingress-class`,
  fanout: `${DOCUMENTATION}/ingress/#simple-fanout`,
  virtualHosts: `${DOCUMENTATION}/ingress/#name-based-virtual-hosting`,
  tls: `${DOCUMENTATION}/ingress/#tls`,
  loadBalancing: `${DOCUMENTATION}/ingress/#load-balancing`,
  updating: `${DOCUMENTATION}/ingress/#updating-an-ingress`,
  api: 'https://kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-v1/',
  ports: `${DOCUMENTATION}/service/#multi-port-services`,
  namedPorts: `${DOCUMENTATION}/service/#field-spec-ports`,
  appProtocol: `${DOCUMENTATION}/service/#application-protocol`,
  headless: `${DOCUMENTATION}/service/#headless-services`,
  externalName: `${DOCUMENTATION}/service/#externalname`,
  endpointConditions: `${DOCUMENTATION}/endpoint-slices/#conditions`,
  owners: 'https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/',
  annotations: 'https://docs.cilium.io/en/stable/network/servicemesh/ingress/#supported-ingress-annotations',
  http: 'https://www.rfc-editor.org/rfc/rfc9110',
} as const;
