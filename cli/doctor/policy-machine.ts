import type { MissingFeatures } from '../../bpf/datapath/index.ts';
import { someOf } from '../text/some-of.ts';
import { type CheckResult, ok, warning } from './check.ts';
import { checkIpvs } from './ipvs.ts';
import type { MachineFacts } from './machine.ts';
import { checkFirewall, checkSteering, type SteeringFacts } from './steering.ts';

/** What of a kernel is asked, as whoever asks may. What cannot be asked throws an Error that says why. */
export interface KernelFacts {
  readonly missingFeatures: () => MissingFeatures;
  /** By the name of the device. */
  readonly obstacles: () => ReadonlyMap<string, string>;
  /** Where the whole tree of version 2 is mounted. */
  readonly rootCgroup: () => string;
  readonly steering: SteeringFacts;
  /** Where listeners take Services. */
  readonly taken: () => readonly { readonly address: string; readonly port: number }[];
}

/** As Linux numbers them: https://man7.org/linux/man-pages/man7/capabilities.7.html */
const NEEDED = new Map([
  ['NET_ADMIN', 12n],
  ['PERFMON', 38n],
  ['BPF', 39n],
]);
const WISHED = new Map([['NET_BROADCAST', 11n]]);
const NAMES = [...NEEDED.keys()].join(', ');
const SHOWN = 3;
const LAYER7_TODO = 'rules of layer 7 will need the network of the node, with CAP_NET_ADMIN';

/** Whether policies can be enforced on this machine, by a process like this one. */
export function checkPolicyMachine(machine: MachineFacts, kernel: KernelFacts): readonly CheckResult[] {
  const held = heldCapabilities(machine.read('/proc/self/status') ?? '');
  const lacking = (wanted: ReadonlyMap<string, bigint>) => [...wanted].filter(([, number]) => !has(held, number)).map(([name]) => name);
  const missing = lacking(NEEDED);
  // Of people at their own machines nothing is to be enforced.
  if (missing.length === NEEDED.size)
    return [ok('capabilities', `none of ${NAMES}, which an enforcer needs: what the kernel has is not asked`), checkCgroup(kernel)];
  if (missing.length > 0) {
    const todo = `network policy will need ${NAMES}, as manifests/policy.yaml gives them to enforcers`;
    return [warning('capabilities', `no ${missing.join(', no ')}`, todo), checkCgroup(kernel)];
  }
  const slow = lacking(WISHED);
  const capabilities = ok(
    'capabilities',
    slow.length === 0 ? `${NAMES}, ${[...WISHED.keys()].join(', ')}` : `${NAMES}; without ${slow.join(', ')} new pods are found later`,
  );
  return [
    ...[capabilities, checkFeatures(kernel), checkObstacles(kernel), checkCgroup(kernel)],
    guard('steering', LAYER7_TODO, () => checkSteering(kernel.steering)),
    guard('firewall', LAYER7_TODO, () => checkFirewall(kernel.steering)),
    guard('ipvs', 'Services of CiliumEnvoyConfigs will need IPVS to have none', () => checkIpvs(machine, kernel.taken)),
  ];
}

function checkFeatures({ missingFeatures }: KernelFacts): CheckResult {
  return guard('ebpf', 'network policy will need this', () => {
    const { policy, services } = missingFeatures();
    if (policy.length > 0)
      return warning('ebpf', `the kernel has no ${policy.join(', no ')}`, 'Ingress works; network policy will need a newer kernel');
    if (services.length > 0)
      return warning('ebpf', `the kernel has no ${services.join(', no ')}`, "Services stay kube-proxy's: set policy.services to false");
    return ok('ebpf', 'all types of programs and maps that are needed');
  });
}

function checkObstacles({ obstacles }: KernelFacts): CheckResult {
  return guard('devices', 'network policy will need to look at the filters of devices', () => {
    const found = [...obstacles()].map(([device, why]) => `${device}: ${why}`);
    if (found.length === 0) return ok('devices', 'nobody else decides on their packets');
    return warning('devices', someOf(found, SHOWN), 'pods at such devices cannot be policed: remove what is there, or leave policy to it');
  });
}

function checkCgroup({ rootCgroup }: KernelFacts): CheckResult {
  const todo = "Services stay kube-proxy's unless the enforcer's --cgroup names the folder of all processes, or policy.services is false";
  return guard('cgroup-v2', todo, () => ok('cgroup-v2', `the whole tree is at ${rootCgroup()}`));
}

function guard(name: string, todo: string, check: () => CheckResult): CheckResult {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return warning(name, error.message, todo);
  }
}

function heldCapabilities(status: string): bigint {
  return BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
}

function has(held: bigint, capability: bigint): boolean {
  return ((held >> capability) & 1n) === 1n;
}
