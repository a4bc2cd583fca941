import type { Flow, FlowPeer } from '../flow.ts';
import { OptionProblem } from '../option-problem.ts';

/**
 * By whom series are told apart, as in Hubble.
 * @see https://docs.cilium.io/en/stable/observability/metrics/#context-options
 */
export interface ContextOptions {
  /** The first of these that is known of who sent; the like for ways of their own. Default: none. */
  readonly sourceContext?: readonly string[];
  readonly sourceEgressContext?: readonly string[];
  readonly sourceIngressContext?: readonly string[];
  readonly destinationContext?: readonly string[];
  readonly destinationEgressContext?: readonly string[];
  readonly destinationIngressContext?: readonly string[];
  /** A label each. */
  readonly labelsContext?: readonly string[];
}

/** What a context comes to: names of labels, and their values for a flow. */
export interface Context {
  readonly names: readonly string[];
  /** @param isInverted the flow is a reply, and is to count for who asked as the source */
  valuesOf(flow: Flow, isInverted?: boolean): readonly string[];
}

type Describe = (peer: FlowPeer) => string;

const APP_LABELS = ['k8s:app.kubernetes.io/name=', 'k8s:k8s-app=', 'k8s:app='];

function appOf({ labels }: FlowPeer): string {
  for (const prefix of APP_LABELS) {
    const found = labels.find((label) => label.startsWith(prefix));
    if (found !== undefined) return found.slice(prefix.length);
  }
  return '';
}

function inNamespace({ namespace }: FlowPeer, name: string | undefined): string {
  if (name === undefined) return '';
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function reservedOf({ labels }: FlowPeer): string {
  const reserved = labels.filter((label) => label.startsWith('reserved:'));
  return reserved.find((label) => label === 'reserved:kube-apiserver') ?? reserved[0] ?? '';
}

const IDENTIFIERS: Readonly<Record<string, Describe>> = {
  identity: ({ labels }) => labels.join(','),
  namespace: ({ namespace }) => namespace ?? '',
  pod: (peer) => inNamespace(peer, peer.pod),
  'pod-name': ({ pod }) => pod ?? '',
  dns: ({ names }) => names?.join(',') ?? '',
  ip: ({ address }) => address,
  'reserved-identity': reservedOf,
  workload: (peer) => inNamespace(peer, peer.workload?.name),
  'workload-name': ({ workload }) => workload?.name ?? '',
  app: appOf,
};

const PARTS: Readonly<Record<string, Describe>> = {
  ip: ({ address }) => address,
  pod: ({ pod }) => pod ?? '',
  namespace: ({ namespace }) => namespace ?? '',
  workload: ({ workload }) => workload?.name ?? '',
  workload_kind: ({ workload }) => workload?.kind ?? '',
  app: appOf,
};

type Ends = { readonly source: FlowPeer; readonly destination: FlowPeer };
type Value = (flow: Flow, ends: Ends) => string;

/** In the order in which they stand in a series. */
const LABELS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ...Object.entries(PARTS).map(([part, describe]): [string, Value] => [`source_${part}`, (_, { source }) => describe(source)]),
  ...Object.entries(PARTS).map(([part, describe]): [string, Value] => [
    `destination_${part}`,
    (_, { destination }) => describe(destination),
  ]),
  ['traffic_direction', ({ direction }) => direction ?? 'unknown'],
]);

/** @returns what is wrong with the options, where something is */
export function readContext(options: ContextOptions): Context | OptionProblem {
  const labels = readLabels(options.labelsContext ?? []);
  const source = readSide('source', options.sourceContext, options.sourceEgressContext, options.sourceIngressContext);
  const destination = readSide(
    'destination',
    options.destinationContext,
    options.destinationEgressContext,
    options.destinationIngressContext,
  );
  for (const part of [labels, source, destination]) if (part instanceof OptionProblem) return part;
  const all = [labels, source, destination].flatMap((part) => (part instanceof OptionProblem ? [] : part));
  return {
    names: all.map(([name]) => name),
    valuesOf: (flow, isInverted = false) => {
      const ends = isInverted ? { source: flow.destination, destination: flow.source } : flow;
      return all.map(([, value]) => value(flow, ends));
    },
  };
}

type Named = readonly (readonly [name: string, value: Value])[];

function readLabels(wanted: readonly string[]): Named | OptionProblem {
  const unknown = wanted.find((label) => !LABELS.has(label));
  if (unknown !== undefined) return new OptionProblem(`${JSON.stringify(unknown)} is none of the labels ${[...LABELS.keys()].join(', ')}`);
  return [...LABELS].filter(([name]) => wanted.includes(name));
}

function readSide(
  side: 'source' | 'destination',
  both: readonly string[] = [],
  egress: readonly string[] = both,
  ingress: readonly string[] = both,
): Named | OptionProblem {
  const unknown = [...both, ...egress, ...ingress].find((each) => !Object.hasOwn(IDENTIFIERS, each));
  if (unknown !== undefined)
    return new OptionProblem(`${JSON.stringify(unknown)} is none of the contexts ${Object.keys(IDENTIFIERS).join(', ')}`);
  if (both.length + egress.length + ingress.length === 0) return [];
  const wantedOf = { egress, ingress };
  const value: Value = (flow, ends) => firstKnown(flow.direction === undefined ? both : wantedOf[flow.direction], ends[side]);
  return [[side, value]];
}

function firstKnown(wanted: readonly string[], peer: FlowPeer): string {
  for (const each of wanted) {
    const value = IDENTIFIERS[each]?.(peer) ?? '';
    if (value !== '') return value;
  }
  return '';
}
