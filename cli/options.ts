import { isIP } from 'node:net';
import { CliError } from './cli-error.ts';

/** Options that several commands have in common. */
export const DEFAULT_PORTS = { http: 8080, https: 8443, admin: 9870, xds: 18_000, agentAdmin: 15_010, enforcerAdmin: 15_011 } as const;

/** In a folder of the node: where its agent serves who enforces policy. */
export const ENFORCER_SOCKET = 'enforcer.sock';

export const adminPortOption = {
  type: 'number',
  default: DEFAULT_PORTS.admin,
  describe: 'Port of the admin endpoint, on loopback',
  coerce: (value: number) => checkPort('admin-port', value),
} as const;

export const metricsAddressOption = {
  type: 'string',
  requiresArg: true,
  default: process.env['SLUICE_METRICS_ADDRESS'] ?? '',
  defaultDescription: '$SLUICE_METRICS_ADDRESS, else nowhere',
  describe: 'HOST:PORT at which others may ask for metrics, by mutual TLS, and for nothing else',
  coerce: (value: string) => (value === '' ? undefined : readHostPort('metrics-address', value)),
} as const;

export const flowsAddressOption = {
  type: 'string',
  requiresArg: true,
  default: process.env['SLUICE_FLOWS_ADDRESS'] ?? '',
  defaultDescription: '$SLUICE_FLOWS_ADDRESS, else all',
  describe: 'IP address at which others may ask for flows, where the setting flows.port is set',
  coerce: (value: string) => {
    if (value !== '' && isIP(value) === 0) throw new CliError('usage', '--flows-address must be an IP address');
    return value === '' ? undefined : value;
  },
} as const;

export const httpPortOption = {
  type: 'number',
  default: DEFAULT_PORTS.http,
  describe: 'Port for HTTP',
  coerce: (value: number) => checkPort('http-port', value),
} as const;

export const httpsPortOption = {
  type: 'number',
  default: DEFAULT_PORTS.https,
  describe: 'Port for HTTPS',
  coerce: (value: number) => checkPort('https-port', value),
} as const;

export const manifestsOption = {
  type: 'string',
  demandOption: true,
  requiresArg: true,
  normalize: true,
  describe: 'Folder of Kubernetes manifests, read with its subfolders',
} as const;

export const namespaceOption = {
  alias: 'n',
  type: 'string',
  default: 'sluice-system',
  requiresArg: true,
  describe: 'Namespace that Sluice is installed in',
} as const;

export const configOption = {
  type: 'string',
  requiresArg: true,
  normalize: true,
  describe: 'Settings file (see `sluice config`)',
} as const;

export const kubeconfigOption = {
  type: 'string',
  requiresArg: true,
  normalize: true,
  describe: 'Kubeconfig file; default: $KUBECONFIG, else the service account of the pod, else ~/.kube/config',
} as const;

/** @param name of the option, for the message where it is wrong */
export function portOption(name: string, port: number, describe: string) {
  return { type: 'number', default: port, describe, coerce: (value: number) => checkPort(name, value) } as const;
}

function checkPort(name: string, value: number): number {
  if (Number.isInteger(value) && value > 0 && value < 65_536) return value;
  throw new CliError('usage', `--${name} must be a port from 1 to 65535`);
}

/** @param name of the option, for the message where it is wrong */
function readHostPort(name: string, value: string): { readonly host: string; readonly port: number } {
  const [, host = '', port = ''] = /^\[?([^[\]]+)\]?:(\d+)$/.exec(value) ?? [];
  if (isIP(host) === 0) throw new CliError('usage', `--${name} must be an IP address and a port, such as 0.0.0.0:18020 or [::]:18020`);
  return { host, port: checkPort(name, Number(port)) };
}

export const addressOption = {
  type: 'string',
  default: '127.0.0.1',
  requiresArg: true,
  describe: 'IP address to serve on; 0.0.0.0 or :: for all',
  coerce: (value: string) => {
    if (isIP(value) === 0) throw new CliError('usage', '--address must be an IP address');
    return value;
  },
} as const;

export const logFormatOption = {
  choices: ['pretty', 'json'],
  default: 'pretty',
  describe: 'Form of what Sluice says, on standard error',
} as const;

export const outputOption = {
  alias: 'o',
  choices: ['text', 'json'] as const,
  default: 'text' as const,
  describe: 'Form of the answer',
} as const;

export const networkStateOption = {
  type: 'string',
  requiresArg: true,
  normalize: true,
  default: '/run/sluice-enforcer',
  describe: "Folder, emptied when the machine starts, for what its network's settings were before they were changed",
} as const;

export const pinFolderOption = {
  type: 'string',
  requiresArg: true,
  normalize: true,
  default: '/sys/fs/bpf/sluice',
  describe: 'Folder in a BPF file system where programs and tables outlive the enforcer',
} as const;
