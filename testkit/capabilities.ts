import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { whyNoLabBinary } from '../conformance/lab/binary.ts';
import { whyNoCollectorBinary } from '../conformance/opentelemetry/program.ts';
import { envoyBinary } from './envoy-binary.ts';

export const PROMETHEUS = fileURLToPath(new URL('../.setup/prometheus', import.meta.url));
export const PROMTOOL = fileURLToPath(new URL('../.setup/promtool', import.meta.url));

/** What some tests need of the machine: for each, why it is missing, or undefined where it is there. */
const PROBES = {
  envoy: () => (existsSync(envoyBinary()) ? undefined : `no Envoy at ${envoyBinary()}`),
  root: () => (process.getuid?.() === 0 ? undefined : 'not root'),
  ipv6: () => (hasIpv6Loopback() ? undefined : 'no IPv6 loopback address'),
  /** Kubernetes, see conformance/lab. Tests that need it are `*.cluster.test.ts`. */
  cluster: whyNoLabBinary,
  /** A real collector of OpenTelemetry, see conformance/opentelemetry. */
  collector: whyNoCollectorBinary,
  /** eBPF programs: the compiler, and a kernel with their file system. */
  bpf: () => whyNotThere('clang', '/usr/include/bpf/bpf_helpers.h', '/sys/fs/bpf'),
  /** A real Prometheus and its promtool, see setup/steps/prometheus.mjs. */
  prometheus: () => whyNotThere(PROMETHEUS, PROMTOOL),
  /** Pods and nodes as network namespaces, see conformance/lab/netns. */
  netns: () => whyNotThere('clang', 'ip', 'nft', 'nsenter', 'setpriv', 'unshare'),
} satisfies Record<string, () => string | undefined>;

export type Capability = keyof typeof PROBES;

type Probes = Readonly<Record<Capability, () => string | undefined>>;

export class CapabilityError extends Error {
  readonly code: 'unknown-capability' | 'capability-missing';

  constructor(code: CapabilityError['code'], message: string) {
    super(message);
    this.name = 'CapabilityError';
    this.code = code;
  }
}

/**
 * Options for a test or suite that needs something of the machine: `test('listens on ::1', needs('ipv6'), …)`. Where it is
 * missing the test is skipped with the reason, unless `SLUICE_REQUIRE` lists it.
 * @throws CapabilityError which fails the file, where a required capability is missing or `SLUICE_REQUIRE` lists one that does not exist
 */
export function needs(...names: readonly Capability[]): { readonly skip: string | false } {
  return skipUnless(names, readRequired(process.env['SLUICE_REQUIRE']), PROBES);
}

/**
 * @param list of `SLUICE_REQUIRE`: names separated by commas
 * @throws CapabilityError `unknown-capability`
 */
export function readRequired(list = ''): ReadonlySet<Capability> {
  const required = new Set<Capability>();
  for (const name of list.split(',').map((part) => part.trim())) {
    if (name === '') continue;
    if (!isCapability(name)) {
      const known = Object.keys(PROBES).join(', ');
      throw new CapabilityError('unknown-capability', `SLUICE_REQUIRE: there is no capability "${name}"; there are: ${known}`);
    }
    required.add(name);
  }
  return required;
}

/** `needs` with everything that it depends on as parameters. */
export function skipUnless(
  names: readonly Capability[],
  required: ReadonlySet<Capability>,
  probes: Probes,
): { readonly skip: string | false } {
  const reasons: string[] = [];
  for (const name of names) {
    const reason = probes[name]();
    if (reason === undefined) continue;
    if (required.has(name)) throw new CapabilityError('capability-missing', `SLUICE_REQUIRE lists ${name}, but: ${reason}`);
    reasons.push(`${name}: ${reason}`);
  }
  return { skip: reasons.length > 0 && reasons.join('; ') };
}

function isCapability(name: string): name is Capability {
  return Object.hasOwn(PROBES, name);
}

/** @param needed commands, or absolute paths */
function whyNotThere(...needed: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':');
  const isThere = (each: string) => (each.startsWith('/') ? existsSync(each) : folders.some((folder) => existsSync(join(folder, each))));
  const missing = needed.filter((each) => !isThere(each));
  return missing.length === 0 ? undefined : `no ${missing.join(', no ')}`;
}

function hasIpv6Loopback(): boolean {
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'));
}
