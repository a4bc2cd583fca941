import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../testkit/eventually.ts';
import type { RunningLab } from '../lab/index.ts';
import { installManifest, type LabWithSluiceOptions, startLabWithImages, untilInForce } from '../lab/sluice.ts';

const POLICY_MANIFEST = new URL('../../manifests/policy.yaml', import.meta.url);
const CAPABILITY_PATCH = fileURLToPath(new URL('../../manifests/envoy-capability.yaml', import.meta.url));
const READY_WITHIN_S = 120;

/** The manifest that users apply, with the settings that they make. */
function installWithPolicies(...others: readonly string[]): string {
  const settings = ['policy:', '  enabled: true', ...others].map((line) => `    ${line}\n`);
  return withLines(installManifest(), '  sluice.yaml: |\n', settings);
}

/** The manifest that users apply, changed as is needed where a node is a container: it sees a part of the cgroup tree. */
function enforcerManifest(): string {
  return withLines(readFileSync(POLICY_MANIFEST, 'utf8'), '            - --pin-folder=/sys/fs/bpf/sluice\n', [
    '            - --cgroup=/host/sys/fs/cgroup\n',
  ]);
}

function withLines(text: string, before: string, lines: readonly string[]): string {
  const changed = text.replace(before, `${before}${lines.join('')}`);
  assert.notEqual(changed, text, `the manifest has no ${before}`);
  return changed;
}

export interface PolicedClusterOptions extends Omit<LabWithSluiceOptions, 'nodes'> {
  /** Whether Envoy has what rules of layer 7 and Ingresses take. Without it there is no Ingress, so nobody waits for that. Default: true. */
  readonly hasCapability?: boolean;
  /** Lines of YAML, beside those that have policies enforced. Default: none. */
  readonly settings?: readonly string[];
  /** Of kinds, such as are there before Sluice is. Default: none. */
  readonly definitions?: readonly object[];
}

/** Gives Envoy what rules of layer 7 take, as users do it. */
export async function giveCapability(lab: RunningLab): Promise<void> {
  await lab.kubectl('-n', 'sluice-system', 'patch', 'daemonset', 'sluice-envoy', '--patch-file', CAPABILITY_PATCH);
  await rolledOut(lab, 'daemonset/sluice-envoy');
}

/** Starts a lab in which network policies are enforced, installed as users do it; resolves when every node does so. */
export async function startPolicedCluster(nodes: number, options: PolicedClusterOptions = {}): Promise<RunningLab> {
  const lab = await startLabWithImages({ ...options, nodes });
  try {
    if (options.definitions) await lab.apply(options.definitions);
    await lab.apply(installWithPolicies(...(options.settings ?? [])));
    await lab.apply(enforcerManifest());
    if (options.hasCapability !== false) {
      await giveCapability(lab);
      await untilInForce(lab);
    }
    await rolledOut(lab, 'daemonset/sluice-enforcer');
    await untilPolicyKinds(lab);
    return lab;
  } catch (error) {
    await lab.down();
    throw error;
  }
}

/** Who leads the controllers makes Cilium's kinds, which may be after the enforcers are there. */
async function untilPolicyKinds(lab: RunningLab): Promise<void> {
  const kinds = ['crd/ciliumnetworkpolicies.cilium.io', 'crd/ciliumclusterwidenetworkpolicies.cilium.io'];
  await eventually(() => lab.kubectl('wait', '--for=condition=Established', ...kinds, '--timeout=10s'), {
    withinMs: READY_WITHIN_S * 1_000,
  });
}

/** Leaves Services to kube-proxy from now on. */
export async function leaveServicesToKubeProxy(lab: RunningLab): Promise<void> {
  await lab.apply(installWithPolicies('  services: false'));
  await lab.kubectl('-n', 'sluice-system', 'rollout', 'restart', 'deployment/sluice-controller');
  await rolledOut(lab, 'deployment/sluice-controller');
  await untilInForce(lab);
}

export async function rolledOut(lab: RunningLab, workload: string, namespace = 'sluice-system'): Promise<void> {
  await lab.kubectl('-n', namespace, 'rollout', 'status', workload, `--timeout=${READY_WITHIN_S}s`);
}
