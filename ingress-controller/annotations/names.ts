import { editDistance } from '../../model/index.ts';

const PREFIX = 'ingress.cilium.io/';
const LEGACY_PREFIX = 'io.cilium.ingress/';

/** What changes how an Ingress is served. */
const EFFECTIVE = ['loadbalancer-mode', 'host-listener-port', 'tls-passthrough', 'force-https', 'request-timeout'] as const;

/** What concerns the Service of a dedicated Ingress, where it has one. */
export const OF_SERVICE = [
  'loadbalancer-class',
  'service-type',
  'service-external-traffic-policy',
  'insecure-node-port',
  'secure-node-port',
] as const;

/** What Cilium has dropped. */
export const DROPPED = [
  'tcp-keep-alive',
  'tcp-keep-alive-idle',
  'tcp-keep-alive-probe-interval',
  'tcp-keep-alive-probe-max-failures',
  'websocket',
] as const;

const KNOWN = [...EFFECTIVE, ...OF_SERVICE, ...DROPPED];

export type KnownName = (typeof KNOWN)[number];

/** Also read under the prefix that Cilium used first. */
const WITH_LEGACY_PREFIX: ReadonlySet<string> = new Set<KnownName>([
  'loadbalancer-mode',
  'service-type',
  'insecure-node-port',
  'secure-node-port',
  'tls-passthrough',
]);

export interface Annotation {
  readonly key: string;
  readonly value: string;
}

/** Reads an annotation under its present prefix, else under the old one where it had that. */
export function readAnnotation(annotations: Readonly<Record<string, string>>, name: KnownName): Annotation | undefined {
  const prefixes = WITH_LEGACY_PREFIX.has(name) ? [PREFIX, LEGACY_PREFIX] : [PREFIX];
  for (const prefix of prefixes) {
    const value = annotations[prefix + name];
    if (value !== undefined) return { key: prefix + name, value };
  }
  return undefined;
}

export interface UnknownAnnotation {
  readonly key: string;
  /** The annotation that was probably meant. */
  readonly nearest: string | undefined;
}

/** The annotations under our prefixes that mean nothing, sorted. */
export function findUnknown(annotations: Readonly<Record<string, string>>): readonly UnknownAnnotation[] {
  const unknown: UnknownAnnotation[] = [];
  for (const key of Object.keys(annotations).toSorted()) {
    const prefix = [PREFIX, LEGACY_PREFIX].find((candidate) => key.startsWith(candidate));
    if (prefix === undefined) continue;
    const name = key.slice(prefix.length);
    const isKnown = prefix === PREFIX ? KNOWN.some((candidate) => candidate === name) : WITH_LEGACY_PREFIX.has(name);
    if (isKnown) continue;
    unknown.push({ key, nearest: nearestName(name) });
  }
  return unknown;
}

const MAX_DISTANCE = 4;

function nearestName(name: string): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(MAX_DISTANCE, Math.ceil(name.length / 2)) + 1;
  for (const candidate of KNOWN) {
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const distance = editDistance(name, candidate);
    if (distance >= bestDistance) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best === undefined ? undefined : PREFIX + best;
}
