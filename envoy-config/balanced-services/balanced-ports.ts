import { quote, refOf, type Service } from '../../kube/index.ts';
import type { Diagnostic } from '../../model/index.ts';
import { diagnoseBalancing } from './codes.ts';

export interface BalancedPort {
  readonly port: number;
  /** Whether its appProtocol says that it speaks HTTP; otherwise each connection shows what it is. */
  readonly isHttp: boolean;
}

export interface BalancedPorts {
  readonly ports: readonly BalancedPort[];
  readonly diagnostics: readonly Diagnostic[];
}

/** HTTP in plaintext, in lower case. What clients speak is what backends are spoken to, so that is all that there is to know. */
const HTTP: ReadonlySet<string> = new Set(['http', 'http2', 'h2c', 'grpc', 'grpc-web', 'ws', 'kubernetes.io/h2c', 'kubernetes.io/ws']);

/** The ports of TCP, but those whose appProtocol says that they speak something else. */
export function balancedPorts(service: Service): BalancedPorts {
  const found: BalancedPort[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const [index, { protocol, port, appProtocol }] of service.spec.ports.entries()) {
    if (protocol !== 'TCP' || found.some((other) => other.port === port)) continue;
    const isHttp = appProtocol !== undefined && HTTP.has(appProtocol.toLowerCase());
    if (isHttp || appProtocol === undefined) found.push({ port, isHttp });
    else {
      const message = `is ${quote(appProtocol)}, no HTTP in plaintext: connections to port ${port} are not balanced by request`;
      diagnostics.push(diagnoseBalancing(refOf(service), ['spec', 'ports', index, 'appProtocol'], 'PortNotBalanced', message));
    }
  }
  return { ports: found, diagnostics };
}

/** Why no listener may take a Service; undefined where one may. */
export function whyNotBalanced({ metadata, spec }: Service): string | undefined {
  if (spec.type === 'ExternalName') return 'a Service of type ExternalName has no address that could be taken';
  const addresses = spec.clusterIPs.length > 0 ? spec.clusterIPs : [spec.clusterIP ?? ''];
  if (!addresses.some((address) => address !== '' && address !== 'None')) {
    return 'a Service without an address (headless) leads clients to its pods itself';
  }
  if (Object.hasOwn(metadata.labels, OTHER_PROXY)) return `its label ${OTHER_PROXY} leaves it to another proxy`;
  if (!spec.ports.some(({ protocol }) => protocol === 'TCP')) return 'it has no port of TCP';
  if (spec.internalTrafficPolicy === 'Local' && isReachedFromOutside(spec)) {
    return 'internalTrafficPolicy Local is for its cluster IPs alone, and what comes to its other addresses would be led by the same listener';
  }
  return undefined;
}

function isReachedFromOutside({ type, externalIPs }: Service['spec']): boolean {
  return type !== 'ClusterIP' || externalIPs.length > 0;
}

const OTHER_PROXY = 'service.kubernetes.io/service-proxy-name';
