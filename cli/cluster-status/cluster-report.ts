import type { ConfigStatus, FlowsStatus, SlotStatus, Status } from '../../controller/admin/status.ts';
import type { Diagnostic } from '../../model/index.ts';
import { someOf } from '../text/some-of.ts';
import type { AskedCluster, AskedPod } from './asked-cluster.ts';
import { type EnforcerReport, findPolicyProblems, isEnforcerWhole, reportEnforcer } from './enforcer-report.ts';

export interface ControllerReport {
  readonly pod: string;
  readonly node: string;
  readonly version?: string;
  readonly leads: boolean;
  readonly ready: boolean;
  /** Why not; absent where all is well. */
  readonly problem?: string;
}

export interface NodeReport {
  readonly node: string;
  readonly pod: string;
  readonly version?: string;
  /** Of its Envoy. */
  readonly envoy?: string;
  /** Whether its Envoy has everything that the controller has for it. */
  readonly inSync: boolean;
  readonly ready: boolean;
  /** Whether it serves no Ingress, by the setting `ingress.nodes`, so that nobody waits for it. */
  readonly idle: boolean;
  /** How many slots of rules of layer 7 its policies have; absent where policies are not enforced. */
  readonly slots?: number;
  /** Those that do not work, so that what would be steered there is dropped. */
  readonly brokenSlots: readonly BrokenSlot[];
  /** By where they were lost; absent where its agent remembers none. */
  readonly lostFlows?: FlowsStatus['lost'];
  readonly problem?: string;
}

export interface BrokenSlot {
  readonly name: string;
  readonly port: number;
  /** Whether what is steered there is dropped; else Envoy has the rules from before. */
  readonly drops: boolean;
  readonly why: string;
}

/** An installation at a glance. */
export interface ClusterReport {
  /** Whether everything that could be in force is. */
  readonly ready: boolean;
  readonly controllers: readonly ControllerReport[];
  readonly nodes: readonly NodeReport[];
  /** Absent where none is installed. */
  readonly enforcers?: readonly EnforcerReport[];
  /** CiliumEnvoyConfigs, sorted; with what nodes have of them where a controller leads. */
  readonly configs: readonly ConfigStatus[];
  /** What stands in the way as a whole. */
  readonly problems: readonly string[];
  /** What Envoys refused and what cannot be written. */
  readonly notProgrammed: readonly { readonly what: string; readonly why: string }[];
  /** What parts do beside what they are there for and could not begin, such as telling of flows: it stands in the way of nothing. */
  readonly failing: readonly { readonly pod: string; readonly what: string; readonly why: string }[];
  /** What is wrong with objects. */
  readonly diagnostics: readonly Diagnostic[];
}

const SHOWN = 5;
const WAITS = 'Envoy does not listen for it yet';

/** Puts together what was asked of each part. */
export function reportCluster(asked: AskedCluster): ClusterReport {
  const controllers = asked.controllers.map(reportController);
  const synced = syncedNodes(asked.controllers);
  const idle = new Set(asked.controllers.flatMap(({ status }) => status?.cluster?.idleNodes ?? []));
  const nodes = asked.agents.map((agent) => reportNode(agent, synced, idle));
  const enforcers = asked.enforcers.map((enforcer) => reportEnforcer(enforcer, asked.hostNetwork));
  const problems = findProblems(asked, controllers, nodes);
  const notProgrammed = findNotProgrammed(asked);
  const isWhole = controllers.every(({ ready }) => ready) && nodes.every(isNodeWhole);
  const isEnforced = enforcers.every(isEnforcerWhole);
  return {
    ready: isWhole && isEnforced && problems.length === 0 && notProgrammed.length === 0,
    controllers,
    nodes,
    ...(asked.wantedEnforcers !== undefined && { enforcers }),
    configs: findConfigs(asked),
    problems,
    notProgrammed,
    failing: findFailing(asked),
    diagnostics: asked.diagnostics,
  };
}

function findFailing({ controllers, agents, enforcers }: AskedCluster): ClusterReport['failing'] {
  return [...controllers, ...agents, ...enforcers].flatMap(({ pod, status }) =>
    (status?.failing ?? []).map(({ what, reason: why }) => ({ pod, what, why })),
  );
}

/** A node that serves no Ingress has nothing to serve, but for its pods' policies. */
function isNodeWhole({ ready, inSync, idle, brokenSlots }: NodeReport): boolean {
  return (idle || (ready && inSync)) && brokenSlots.length === 0;
}

function reportController({ pod, node, status, silence }: AskedPod): ControllerReport {
  const problem = status ? status.notReady : silence;
  return {
    pod,
    node,
    ...(status && { version: status.version }),
    leads: status?.cluster?.isLeader === true,
    ready: status?.ready === true,
    ...(problem !== undefined && { problem }),
  };
}

/** The nodes whose Envoy has all that the controller that serves it has, as that controller says. */
function syncedNodes(controllers: readonly AskedPod[]): ReadonlySet<string> {
  const clients = controllers.flatMap(({ status }) => status?.clients ?? []);
  return new Set(clients.filter(({ synced }) => synced).map(({ node }) => node));
}

function reportNode({ pod, node, status, silence }: AskedPod, synced: ReadonlySet<string>, idle: ReadonlySet<string>): NodeReport {
  const inSync = synced.has(node);
  const problem = status ? (status.notReady ?? describeLag(status, inSync)) : silence;
  return {
    node,
    pod,
    ...(status && { version: status.version }),
    ...(status?.envoy && { envoy: status.envoy.version }),
    inSync,
    ready: status?.ready === true,
    idle: idle.has(node),
    ...(status?.slots && { slots: status.slots.length }),
    brokenSlots: findBrokenSlots(status?.slots ?? []),
    ...(status?.flows && { lostFlows: status.flows.lost }),
    ...(problem !== undefined && { problem }),
  };
}

function findBrokenSlots(slots: readonly SlotStatus[]): BrokenSlot[] {
  return slots
    .filter(({ ready, refusal, filterRefusal }) => !ready || refusal !== undefined || filterRefusal !== undefined)
    .map((slot) => ({ name: slot.name, port: slot.port, drops: !slot.ready || slot.refusal !== undefined, why: whyBroken(slot) }));
}

function whyBroken({ refusal, filterRefusal }: SlotStatus): string {
  if (refusal !== undefined) return `Envoy refused its listener: ${refusal}`;
  return filterRefusal === undefined ? WAITS : `Envoy refused its rules: ${filterRefusal}`;
}

function describeLag({ relay }: Status, inSync: boolean): string | undefined {
  if (inSync) return undefined;
  if (relay?.controller !== undefined) return 'its Envoy has not acknowledged everything yet';
  return `no controller: ${relay?.error ?? 'not connected yet'}; what was good is served`;
}

function findProblems(asked: AskedCluster, reports: readonly ControllerReport[], nodes: readonly NodeReport[]): string[] {
  const { controllers, agents, wantedAgents, envoys } = asked;
  const spared = nodes.filter(({ idle, ready }) => idle && !ready).length;
  const problems: string[] = [];
  if (wantedAgents === undefined && controllers.length === 0 && agents.length === 0)
    return ['Sluice is not installed in this namespace; another one is named by --namespace'];
  if (controllers.length === 0) problems.push('no controller runs');
  else if (!reports.some(({ leads }) => leads)) problems.push('no controller leads, so nothing is written');
  if (wantedAgents === undefined) problems.push('there is no DaemonSet sluice-agent');
  else if (agents.length < wantedAgents) problems.push(`${wantedAgents - agents.length} of ${wantedAgents} nodes have no agent`);
  if (envoys === undefined) problems.push('there is no DaemonSet sluice-envoy');
  else if (envoys.ready + spared < envoys.wanted) problems.push(`Envoy serves on ${envoys.ready} of ${envoys.wanted} nodes`);
  return [...problems, ...findPolicyProblems(asked), ...findStale(asked)];
}

/** Parts of another version than the controller that leads, as while an update is under way. */
function findStale({ controllers, agents, enforcers }: AskedCluster): string[] {
  const version = controllers.find(({ status }) => status?.cluster?.isLeader)?.status?.version;
  if (version === undefined) return [];
  const parts = { controllers, agents, enforcers };
  return Object.entries(parts).flatMap(([part, pods]) => {
    const stale = pods.flatMap(({ pod, node, status }) => {
      return status && status.version !== version ? [`${status.version} ${part === 'controllers' ? pod : `on ${node}`}`] : [];
    });
    return stale.length > 0 ? [`${part} are not of the version ${version}: ${someOf(stale, SHOWN)}`] : [];
  });
}

/** All controllers find the same, but only the one that leads knows of nodes. */
function findConfigs({ controllers }: AskedCluster): readonly ConfigStatus[] {
  const told = controllers.flatMap(({ status }) => status ?? []);
  return (told.find(({ cluster }) => cluster?.isLeader) ?? told[0])?.configs ?? [];
}

function findNotProgrammed({ controllers }: AskedCluster): { what: string; why: string }[] {
  const found = new Map<string, string>();
  for (const { status } of controllers) {
    for (const { type, name, message, sources } of status?.rejected ?? []) {
      found.set(sources.length > 0 ? sources.join(', ') : `${type} ${name}`, `Envoy refused ${type} ${name}: ${message}`);
    }
    for (const { what, reason } of status?.cluster?.failingWrites ?? []) found.set(what, reason);
  }
  return [...found].map(([what, why]) => ({ what, why })).sort((a, b) => (a.what < b.what ? -1 : 1));
}
