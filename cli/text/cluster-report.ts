import type { ClusterReport, ControllerReport, NodeReport } from '../cluster-status/cluster-report.ts';
import type { EnforcerReport } from '../cluster-status/enforcer-report.ts';
import { describeConfig } from './configs.ts';
import { countSeverities, describeDiagnostic, formatCounts, plural } from './diagnostics.ts';
import { describeLosses } from './flow-losses.ts';

/** One line a part, and one for each thing that is not as it should be. */
export function formatClusterReport(report: ClusterReport): string {
  const { ready, controllers, nodes, enforcers = [], configs, problems, notProgrammed, failing, diagnostics } = report;
  const isTold = controllers.some(({ version }) => version !== undefined);
  const lines = [
    `sluice      ${ready ? 'ready: everything is in force' : 'not ready'}`,
    ...problems.map((problem) => `problem     ${problem}`),
    ...controllers.map((controller) => `controller  ${describeController(controller)}`),
    ...nodes.flatMap((node) => [`node        ${describeNode(node)}`, ...describeBrokenSlots(node)]),
    ...enforcers.flatMap(describeEnforcer),
    ...configs.map((config) => `config      ${describeConfig(config)}`),
    ...notProgrammed.map(({ what, why }) => `missing     ${what}: ${why}`),
    ...failing.map(({ pod, what, why }) => `failing     ${what} of ${pod}: ${why}`),
    `findings    ${isTold ? formatCounts(countSeverities(diagnostics)) : 'not known: no controller tells'}`,
    ...diagnostics
      .filter(({ severity }) => severity === 'error')
      .map((found) => `            ${describeDiagnostic(found)}  [${found.code}]`),
  ];
  return `${lines.join('\n')}\n`;
}

function describeController({ pod, node, version, leads, ready, problem }: ControllerReport): string {
  const state = ready ? 'ready' : `not ready: ${problem ?? 'no reason given'}`;
  return [pod, `on ${node || 'no node'}`, version, state, leads ? 'leads' : undefined].filter((part) => part !== undefined).join(', ');
}

function describeBrokenSlots({ node, brokenSlots }: NodeReport): string[] {
  return brokenSlots.map(({ name, port, drops, why }) => {
    const what = drops ? `dropped     on ${node}, what is for slot` : `outdated    on ${node}, the rules of slot`;
    return `${what} ${name} (port ${port}): ${why}`;
  });
}

function describeNode({ node, version, envoy, ready, inSync, idle, slots, lostFlows, problem }: NodeReport): string {
  const served = ready ? (inSync ? 'in sync' : 'serves, not in sync') : 'does not serve';
  const state = idle ? 'serves no Ingress, as ingress.nodes says' : served;
  const what = version === undefined ? undefined : `agent ${version}${envoy === undefined ? '' : `, Envoy ${envoy}`}`;
  const rules = slots === undefined || slots === 0 ? undefined : plural(slots, 'slot');
  const losses = lostFlows && describeLosses(lostFlows);
  const flows = losses === undefined ? undefined : `flows ${losses}`;
  return [node || 'no node', what, `${state}${problem === undefined ? '' : `: ${problem}`}`, rules, flows]
    .filter((part) => part !== undefined)
    .join(', ');
}

function describeEnforcer({
  node,
  version,
  ready,
  endpoints,
  hostNetworkPods,
  notEnforced,
  steeringProblems,
  ingressAddresses,
  ingressProblems,
  problem,
}: EnforcerReport): string[] {
  const judged = endpoints === 1 ? '1 pod' : `${endpoints} pods`;
  const state = `${ready ? 'in force' : 'not in force'}${problem === undefined ? '' : `: ${problem}`}`;
  const others = hostNetworkPods ? `${hostNetworkPods} in the network of the node are not` : undefined;
  const ingress = ingressAddresses.length > 0 ? `Ingresses as ${ingressAddresses.join(' and ')}` : undefined;
  const parts = [node || 'no node', version, state, version === undefined ? undefined : `${judged} judged`, others, ingress];
  return [
    `enforcer    ${parts.filter((part) => part !== undefined).join(', ')}`,
    ...notEnforced.map(({ pod, why }) => `not judged  ${pod} on ${node}: ${why}`),
    ...steeringProblems.map((why) => `not steered on ${node}: ${why}`),
    ...ingressProblems.map((why) => `Ingresses   on ${node}: ${why}`),
  ];
}
