import { parseDuration, type Settings } from '../../settings/index.ts';
import { quote } from '../quote.ts';
import type { Report } from '../report.ts';
import { reportForeign } from './foreign.ts';
import { type Annotation, findUnknown, INEFFECTIVE, type KnownName, readAnnotation } from './names.ts';
import { parsePort, parseSwitch } from './values.ts';

/** What the annotations of an Ingress ask for, with the settings where they ask for nothing. */
export interface IngressOptions {
  readonly forceHttps: boolean;
  /** An annotation of this Ingress asks for HTTPS, not just the settings. */
  readonly forceHttpsExplicit: boolean;
  /** Milliseconds; 0 for no limit. */
  readonly requestTimeoutMs: number;
  readonly tlsPassthrough: boolean;
  /** `invalid`: a port was asked for that cannot be given. */
  readonly hostPort: number | 'invalid' | undefined;
}

type Annotations = Readonly<Record<string, string>>;

/**
 * Reads the annotations `ingress.cilium.io/…` of an Ingress and reports wrong, unknown and ineffective ones.
 * @see https://docs.cilium.io/en/stable/network/servicemesh/ingress/#supported-ingress-annotations
 */
export function ingestAnnotations(annotations: Annotations, settings: Settings, report: Report): IngressOptions {
  const forceHttps = readValue(annotations, 'force-https', parseSwitch, 'enabled, disabled, true or false', report);
  const timeout = readValue(annotations, 'request-timeout', parseDuration, 'a duration such as 30s or 1m30s', report);
  const passthrough = readValue(annotations, 'tls-passthrough', parseSwitch, 'enabled, disabled, true or false', report);
  const mode = readValue(annotations, 'loadbalancer-mode', oneOf('dedicated', 'shared'), 'dedicated or shared', report) ?? 'dedicated';
  checkIneffective(annotations, report);
  for (const { key, nearest } of findUnknown(annotations)) {
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    report.add(['metadata', 'annotations', key], 'UnknownAnnotation', `${quote(key)} is no annotation of the Ingress controller${hint}`);
  }
  reportForeign(annotations, report);
  return {
    forceHttps: forceHttps ?? settings.ingress.enforceHttps,
    forceHttpsExplicit: forceHttps === true,
    // Rounded up, so that a limit below a millisecond does not become no limit.
    requestTimeoutMs: Math.ceil(timeout ?? settings.ingress.requestTimeout),
    tlsPassthrough: passthrough ?? false,
    hostPort: readHostPort(annotations, mode, report),
  };
}

function readValue<T>(
  annotations: Annotations,
  name: KnownName,
  parse: (text: string) => T | undefined,
  expected: string,
  report: Report,
): T | undefined {
  const annotation = readAnnotation(annotations, name);
  if (annotation === undefined) return undefined;
  const value = parse(annotation.value);
  if (value === undefined) reportValue(annotation, expected, report);
  return value;
}

function reportValue({ key, value }: Annotation, expected: string, report: Report): void {
  report.add(['metadata', 'annotations', key], 'InvalidAnnotation', `must be ${expected}, not ${quote(value)}; the default is used`);
}

function readHostPort(annotations: Annotations, mode: 'dedicated' | 'shared', report: Report): IngressOptions['hostPort'] {
  const annotation = readAnnotation(annotations, 'host-listener-port');
  if (annotation === undefined) return undefined;
  const path = ['metadata', 'annotations', annotation.key];
  if (mode === 'shared') {
    report.add(path, 'HostPortNeedsDedicated', 'has no effect with loadbalancer-mode shared; the shared ports are used');
    return undefined;
  }
  const port = parsePort(annotation.value);
  if (port !== undefined) return port;
  report.add(path, 'InvalidHostPort', `must be a port from 1 to 65535, not ${quote(annotation.value)}; the Ingress is not served`);
  return 'invalid';
}

function oneOf<T extends string>(...values: readonly T[]): (text: string) => T | undefined {
  return (text) => values.find((value) => value === text);
}

const PORT_RANGE = 'a port from 1 to 65535';

function checkIneffective(annotations: Annotations, report: Report): void {
  readValue(annotations, 'loadbalancer-class', (text) => text || undefined, 'the name of a class', report);
  readValue(annotations, 'service-type', oneOf('LoadBalancer', 'NodePort', 'ClusterIP'), 'LoadBalancer, NodePort or ClusterIP', report);
  readValue(annotations, 'service-external-traffic-policy', oneOf('Cluster', 'Local'), 'Cluster or Local', report);
  readValue(annotations, 'insecure-node-port', parsePort, PORT_RANGE, report);
  readValue(annotations, 'secure-node-port', parsePort, PORT_RANGE, report);
  const present: string[] = [];
  for (const name of INEFFECTIVE) {
    const annotation = readAnnotation(annotations, name);
    if (annotation !== undefined) present.push(annotation.key);
  }
  if (present.length === 0) return;
  report.add(['metadata', 'annotations'], 'AnnotationWithoutEffect', `without effect here: ${present.toSorted().join(', ')}`);
}
