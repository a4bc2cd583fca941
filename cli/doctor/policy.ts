import { z } from 'zod';
import { CILIUM_DEFINITIONS, DEFINITIONS, SCHEMA_VERSION_LABEL } from '../../controller/definitions/cilium-definitions.ts';
import { type ApiClient, ifFound } from '../../kube/index.ts';
import { parseSettings } from '../../settings/index.ts';
import { type CheckResult, failed, ok, warning } from './check.ts';
import { settingsOfCilium } from './cilium.ts';

const MANIFEST = 'kubectl apply -f manifests/policy.yaml';
const CONFIG = 'sluice-config';
/** Of which one is enough: the first from Linux 5.17 on. */
const STEERING_CAPABILITIES: readonly string[] = ['NET_RAW', 'NET_ADMIN'];
const SWITCH = `policy: { enabled: true } in the ConfigMap ${CONFIG}`;

const configMap = z.object({ data: z.record(z.string(), z.string()).optional() });
const daemonSet = z.object({
  status: z.object({ desiredNumberScheduled: z.int().default(0), numberReady: z.int().default(0) }).prefault({}),
});
const definition = z.object({ metadata: z.object({ labels: z.record(z.string(), z.string()).default({}) }) });
const felix = z.object({ spec: z.object({ bpfEnabled: z.boolean().optional() }).optional() });
const container = z.object({
  name: z.string(),
  args: z.array(z.string()).optional(),
  securityContext: z
    .object({ runAsUser: z.int().optional(), capabilities: z.object({ add: z.array(z.string()).optional() }).optional() })
    .optional(),
});
const workload = z.object({
  spec: z.object({
    template: z.object({ spec: z.object({ containers: z.array(container) }) }),
  }),
});

export interface PolicyQuestion {
  readonly client: ApiClient;
  readonly namespace: string;
  /** As {@link isPolicyEnabled} finds out. */
  readonly isPolicyEnabled: () => Promise<boolean>;
}

/** Whether the settings of the installation ask for policies to be enforced. */
export async function isPolicyEnabled(client: ApiClient, namespace: string): Promise<boolean> {
  const found = await ifFound(client.request({ path: `/api/v1/namespaces/${namespace}/configmaps/${CONFIG}` }));
  const text = found === undefined ? undefined : configMap.parse(found).data?.['sluice.yaml'];
  const result = parseSettings(text ?? '', CONFIG);
  return 'settings' in result && result.settings.policy.enabled;
}

/** Whether who is to enforce policies does, and nobody does who is not to. */
export async function checkEnforcers(question: PolicyQuestion): Promise<CheckResult> {
  const { client, namespace } = question;
  const isEnabled = await question.isPolicyEnabled();
  const found = await ifFound(client.request({ path: `/apis/apps/v1/namespaces/${namespace}/daemonsets/sluice-enforcer` }));
  if (found === undefined) {
    if (!isEnabled) return ok('enforcers', 'policies are not to be enforced');
    return failed('enforcers', `policies are to be enforced, and there is no DaemonSet sluice-enforcer in ${namespace}`, MANIFEST);
  }
  if (!isEnabled) {
    const restart = `kubectl -n ${namespace} rollout restart deployment/sluice-controller daemonset/sluice-agent`;
    return warning(
      'enforcers',
      'there are enforcers, and policies are not to be enforced',
      `${SWITCH}, then ${restart}; or kubectl delete -f manifests/policy.yaml`,
    );
  }
  const { desiredNumberScheduled: wanted, numberReady: ready } = daemonSet.parse(found).status;
  const said = `policies are enforced on ${ready} of ${wanted} nodes`;
  const todo = `sluice status --cluster; kubectl -n ${namespace} logs -l app.kubernetes.io/component=enforcer -c enforcer`;
  return wanted > 0 && ready === wanted ? ok('enforcers', said) : failed('enforcers', said, todo);
}

/** Whether Envoy may have addresses of pods, without which it opens nothing for Ingresses and refuses listeners of rules of layer 7. */
export async function checkEnvoyCapability(question: PolicyQuestion): Promise<CheckResult> {
  const { client, namespace } = question;
  const found = await ifFound(client.request({ path: `/apis/apps/v1/namespaces/${namespace}/daemonsets/sluice-envoy` }));
  const containers = found === undefined ? [] : workload.parse(found).spec.template.spec.containers;
  const context = containers.find(({ name }) => name === 'envoy')?.securityContext;
  const held = context?.runAsUser === 0 ? (context.capabilities?.add ?? []).filter((name) => STEERING_CAPABILITIES.includes(name)) : [];
  const isEnabled = await question.isPolicyEnabled();
  if (held.length > 0)
    return ok(
      'envoy-capability',
      `Envoy has ${held.join(', ')}${isEnabled ? ', for Ingresses and rules of layer 7' : ', which it needs for policies alone'}`,
    );
  if (!isEnabled) return ok('envoy-capability', 'Envoy has no capability, and needs none');
  const todo = `kubectl -n ${namespace} patch daemonset sluice-envoy --patch-file manifests/envoy-capability.yaml`;
  return failed(
    'envoy-capability',
    'Envoy has no capability: it serves no Ingress where policies are enforced, and what rules of layer 7 are to judge is dropped',
    todo,
  );
}

/** Whether nodes have addresses by which policies know their Ingresses. */
export async function checkIngressAddresses(question: PolicyQuestion): Promise<CheckResult> {
  const { client, namespace } = question;
  if (!(await question.isPolicyEnabled()))
    return ok('ingress-addresses', 'Ingresses need no address of their own while policies are not to be enforced');
  const found = await ifFound(client.request({ path: `/apis/apps/v1/namespaces/${namespace}/daemonsets/sluice-ingress-address` }));
  if (found === undefined) {
    const why = `there is no DaemonSet sluice-ingress-address in ${namespace}: where there are policies, Ingresses reach no pod`;
    return failed('ingress-addresses', why, MANIFEST);
  }
  const { desiredNumberScheduled: wanted, numberReady: ready } = daemonSet.parse(found).status;
  const said = `Ingresses have an address of their own on ${ready} of ${wanted} nodes`;
  const todo = `sluice status --cluster; kubectl -n ${namespace} get pods -o wide -l app.kubernetes.io/component=ingress-address`;
  return wanted > 0 && ready === wanted ? ok('ingress-addresses', said) : failed('ingress-addresses', said, todo);
}

/** Whether Cilium's kinds are there where they are enforced. */
export async function checkPolicyKinds(question: PolicyQuestion): Promise<CheckResult> {
  const versions = new Map<string, string | undefined>();
  for (const { metadata } of CILIUM_DEFINITIONS) {
    const found = await ifFound(question.client.request({ path: `${DEFINITIONS}/${metadata.name}` }));
    if (found !== undefined) versions.set(metadata.name, definition.parse(found).metadata.labels[SCHEMA_VERSION_LABEL]);
  }
  const absent = CILIUM_DEFINITIONS.map(({ metadata }) => metadata.name).filter((name) => !versions.has(name));
  if (absent.length === 0)
    return ok(
      'policy-kinds',
      `schemas of Cilium's kinds: ${[...new Set(versions.values())].map((version) => version ?? 'without a version').join(', ')}`,
    );
  if (!(await question.isPolicyEnabled()))
    return ok('policy-kinds', "not all of Cilium's kinds are known, and no policies are to be enforced");
  const todo =
    'the leading controller makes them once an enforcer is ready: see what it logs, and whether manifests/policy.yaml is applied as it is now';
  return warning('policy-kinds', `there is no CustomResourceDefinition ${absent.join(', ')}`, todo);
}

/** Whether somebody else has eBPF programs where those of enforcers are to be. */
export async function checkOtherEnforcers(question: PolicyQuestion): Promise<CheckResult> {
  const others = await findOtherEnforcers(question.client);
  if (others.length === 0) return ok('other-ebpf', 'no network plugin that is known to have eBPF programs at pods');
  if (!(await question.isPolicyEnabled())) return ok('other-ebpf', `${others.join(', ')}; policies are left to it`);
  const todo = 'enforcers refuse devices that have programs of others: have it use no eBPF, or leave policies to it (policy.enabled)';
  return failed('other-ebpf', others.join(', '), todo);
}

async function findOtherEnforcers(client: ApiClient): Promise<readonly string[]> {
  const [cilium, calico, amazon] = await Promise.all([settingsOfCilium(client), isCalicoEbpf(client), isAmazonEnforcing(client)]);
  return [
    ...(cilium ? ['Cilium'] : []),
    ...(calico ? ['Calico with its eBPF dataplane'] : []),
    ...(amazon ? ['Amazon VPC CNI with its network policy agent'] : []),
  ];
}

/** @see https://docs.tigera.io/calico/latest/operations/ebpf/enabling-ebpf */
async function isCalicoEbpf(client: ApiClient): Promise<boolean> {
  for (const group of ['crd.projectcalico.org/v1', 'projectcalico.org/v3']) {
    const found = await ifFound(client.request({ path: `/apis/${group}/felixconfigurations/default` }));
    if (found !== undefined && felix.parse(found).spec?.bpfEnabled === true) return true;
  }
  return false;
}

/** @see https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy.html */
async function isAmazonEnforcing(client: ApiClient): Promise<boolean> {
  const found = await ifFound(client.request({ path: '/apis/apps/v1/namespaces/kube-system/daemonsets/aws-node' }));
  if (found === undefined) return false;
  const { containers } = workload.parse(found).spec.template.spec;
  return containers.some(({ name, args = [] }) => name === 'aws-eks-nodeagent' && args.includes('--enable-network-policy=true'));
}
