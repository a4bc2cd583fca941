import { quote } from '../../kube/index.ts';
import { parseDuration, type Settings } from '../../settings/index.ts';
import type { Placement } from '../cluster/placement.ts';
import type { Report } from '../report.ts';
import { reportForeign } from './foreign.ts';
import { DROPPED, findUnknown, type KnownName, OF_SERVICE, readAnnotation } from './names.ts';
import { readValue } from './read-value.ts';
import { ingestServiceOptions } from './service-options.ts';
import { oneOf, parsePort, parseSwitch } from './values.ts';

/** What the annotations of an Ingress ask for, with the settings where they ask for nothing. */
export interface IngressOptions {
  readonly forceHttps: boolean;
  /** An annotation of this Ingress asks for HTTPS, not just the settings. */
  readonly forceHttpsExplicit: boolean;
  /** Milliseconds; 0 for no limit. */
  readonly requestTimeoutMs: number;
  readonly tlsPassthrough: boolean;
  readonly mode: LoadBalancerMode;
  /** `invalid`: a port was asked for that cannot be given. */
  readonly hostPort: number | 'invalid' | undefined;
}

type Annotations = Readonly<Record<string, string>>;

/**
 * Reads the annotations `ingress.cilium.io/…` of an Ingress and reports wrong, unknown and ineffective ones.
 * @see https://docs.cilium.io/en/stable/network/servicemesh/ingress/#supported-ingress-annotations
 */
export function ingestAnnotations(
  annotations: Annotations,
  settings: Pick<Settings, 'ingress'>,
  placement: Placement,
  report: Report,
): IngressOptions {
  const forceHttps = readValue(annotations, 'force-https', parseSwitch, 'enabled, disabled, true or false', report);
  const timeout = readValue(annotations, 'request-timeout', parseDuration, 'a duration such as 30s or 1m30s', report);
  const passthrough = readValue(annotations, 'tls-passthrough', parseSwitch, 'enabled, disabled, true or false', report);
  readValue(annotations, 'loadbalancer-mode', parseMode, 'dedicated or shared', report);
  const mode = loadBalancerMode(annotations, settings);
  ingestServiceOptions(annotations, settings.ingress.service, report);
  checkIneffective(annotations, placement, mode, report);
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
    mode,
    hostPort: placement.kind === 'load-balancer' ? undefined : readHostPort(annotations, mode, report),
  };
}

export type LoadBalancerMode = 'dedicated' | 'shared';

const parseMode = oneOf('dedicated', 'shared');

/** Whether an Ingress is to have a load balancer of its own: as its annotation says, else as the settings do. */
export function loadBalancerMode(annotations: Annotations, { ingress }: Pick<Settings, 'ingress'>): LoadBalancerMode {
  return parseMode(readAnnotation(annotations, 'loadbalancer-mode')?.value ?? '') ?? ingress.loadBalancerMode;
}

function readHostPort(annotations: Annotations, mode: LoadBalancerMode, report: Report): IngressOptions['hostPort'] {
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

function checkIneffective(annotations: Annotations, { kind }: Placement, mode: LoadBalancerMode, report: Report): void {
  const hostPort = kind === 'load-balancer' ? (['host-listener-port'] as const) : [];
  const service = kind === 'load-balancer' ? [] : OF_SERVICE;
  const present = presentKeys(annotations, [...hostPort, ...service, ...DROPPED]);
  if (present.length > 0) {
    report.add(['metadata', 'annotations'], 'AnnotationWithoutEffect', `without effect here: ${present.join(', ')}`);
  }
  if (kind !== 'load-balancer' || mode === 'dedicated') return;
  for (const key of presentKeys(annotations, OF_SERVICE)) {
    const message = 'has no effect with loadbalancer-mode shared; the settings say what the shared Service is';
    report.add(['metadata', 'annotations', key], 'AnnotationNeedsDedicated', message);
  }
}

function presentKeys(annotations: Annotations, names: readonly KnownName[]): readonly string[] {
  return names.flatMap((name) => readAnnotation(annotations, name)?.key ?? []).toSorted();
}
