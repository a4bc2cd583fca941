import type { EnforcementStatus } from '../../controller/admin/status.ts';
import type { AskedCluster, AskedPod } from './asked-cluster.ts';

/** A pod that policies do nothing for, and why. */
export interface Unenforced {
  /** `namespace/name` */
  readonly pod: string;
  readonly why: string;
}

/** Who enforces policies on a node. */
export interface EnforcerReport {
  readonly node: string;
  readonly pod: string;
  readonly version?: string;
  /** Whether its agent answers it. What is in force stays in force without. */
  readonly connected: boolean;
  /** Whether all that the agent told is in the kernel. */
  readonly ready: boolean;
  /** Pods whose packets are judged. */
  readonly endpoints: number;
  /** Pods whose packets are to be judged, and are not. */
  readonly notEnforced: readonly Unenforced[];
  /** Pods in the network of the node, which have no endpoint of their own; absent where pods may not be listed. */
  readonly hostNetworkPods?: number;
  /** What keeps packets from being steered to Envoy. */
  readonly steeringProblems: readonly string[];
  /** As which this node's Ingresses reach pods; none where it has no ingress address. */
  readonly ingressAddresses: readonly string[];
  /** What keeps this node's Ingresses from being known by an address of theirs. */
  readonly ingressProblems: readonly string[];
  readonly problem?: string;
}

/** Whether controllers read what policies are made of, which they do where policies are to be enforced. */
export function isPoliced({ controllers }: Pick<AskedCluster, 'controllers'>): boolean {
  return controllers.some(({ status }) => status?.cluster?.kinds.some(({ kind }) => kind === 'NetworkPolicy') === true);
}

export function reportEnforcer({ pod, node, status, silence }: AskedPod, hostNetwork: AskedCluster['hostNetwork']): EnforcerReport {
  const { enforcement, relay, ready = false, version, notReady } = status ?? {};
  const problem = status
    ? (notReady ?? (relay?.controller === undefined ? `no agent: ${relay?.error ?? 'not connected yet'}` : undefined))
    : silence;
  return {
    node,
    pod,
    ...(version !== undefined && { version }),
    connected: relay?.controller !== undefined,
    ready,
    endpoints: enforcement?.endpoints.filter(({ open }) => open === undefined).length ?? 0,
    notEnforced: enforcement ? unenforced(enforcement) : [],
    ...(hostNetwork && { hostNetworkPods: hostNetwork.get(node) ?? 0 }),
    steeringProblems: findSteeringProblems(enforcement?.steering),
    ingressAddresses: enforcement?.ingress?.addresses ?? [],
    ingressProblems: findIngressProblems(enforcement?.ingress),
    ...(problem !== undefined && { problem }),
  };
}

/** Whether all that a node is to enforce is in force. */
export function isEnforcerWhole({ ready, connected, notEnforced, steeringProblems, ingressProblems }: EnforcerReport): boolean {
  return ready && connected && notEnforced.length + steeringProblems.length + ingressProblems.length === 0;
}

/** What keeps packets from being steered to Envoy; nothing where none are to be. */
export function findSteeringProblems(steering: EnforcementStatus['steering']): string[] {
  const { wrong = [], failure } = steering ?? {};
  const changed = wrong.map(({ name, wanted, found }) => `${name} is ${found ?? 'not there'}, not ${wanted}`);
  return [...(failure === undefined ? [] : [failure]), ...changed];
}

/** What keeps connections for Ingresses from having an address of theirs; nothing where none is asked for. */
export function findIngressProblems(ingress: EnforcementStatus['ingress']): string[] {
  if (!ingress) return [];
  const { addresses, required, failure } = ingress;
  const missing = required && addresses.length === 0 ? ['no ingress address: Ingresses reach no pod by this node'] : [];
  return [...(failure === undefined ? [] : [failure]), ...missing];
}

function unenforced({ endpoints, missing }: EnforcementStatus): Unenforced[] {
  const open = endpoints.flatMap(({ namespace, name, open: why }) => (why === undefined ? [] : [{ pod: `${namespace}/${name}`, why }]));
  const lost = missing.map(({ namespace, name }) => ({ pod: `${namespace}/${name}`, why: 'no device was found for it' }));
  return [...open, ...lost].sort((a, b) => (a.pod < b.pod ? -1 : 1));
}

/** What stands in the way of enforcing policies as a whole. */
export function findPolicyProblems({ controllers, enforcers, wantedEnforcers }: AskedCluster): string[] {
  if (!controllers.some(({ status }) => status !== undefined)) return [];
  if (!isPoliced({ controllers })) {
    if (wantedEnforcers === undefined) return [];
    return ['there are enforcers, and policies are switched off (policy.enabled): nothing is enforced anew, and what was stays'];
  }
  if (wantedEnforcers === undefined)
    return ['policies are switched on (policy.enabled), and nobody enforces them: there is no DaemonSet sluice-enforcer'];
  if (enforcers.length < wantedEnforcers) return [`${wantedEnforcers - enforcers.length} of ${wantedEnforcers} nodes have no enforcer`];
  return [];
}
