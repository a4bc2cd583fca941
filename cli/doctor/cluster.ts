import { z } from 'zod';
import { type ApiClient, ApiError, ifFound } from '../../kube/index.ts';
import { type CheckResult, failed, ok, warning } from './check.ts';
import { checkCiliumIngress, checkCiliumLeftovers } from './cilium.ts';
import { CONTROLLER_PERMISSIONS, describePermission, type Permission, POLICY_PERMISSIONS } from './permissions.ts';
import {
  checkEnforcers,
  checkEnvoyCapability,
  checkIngressAddresses,
  checkOtherEnforcers,
  checkPolicyKinds,
  isPolicyEnabled,
  type PolicyQuestion,
} from './policy.ts';

/** The first whose tokens name the node, see docs/decisions/cluster.md. */
const MIN_MINOR = 30;
const MAX_CLOCK_DIFFERENCE_S = 30;
const AT_ONCE = 8;
const INSTALL = 'kubectl apply -f manifests/install.yaml';

const version = z.object({ gitVersion: z.string(), major: z.string(), minor: z.string() });
const review = z.object({ status: z.object({ allowed: z.boolean() }) });
const named = z.object({ metadata: z.object({ name: z.string(), namespace: z.string().optional() }) });
const list = z.object({ items: z.array(named) });
const stamped = z.object({ metadata: z.object({ creationTimestamp: z.string() }) });
const ingressClass = z.object({ spec: z.object({ controller: z.string().optional() }).optional() });
const deployment = z.object({
  spec: z.object({ replicas: z.int().optional() }),
  status: z.object({ availableReplicas: z.int().optional() }).optional(),
});
const daemonSet = z.object({ status: z.object({ desiredNumberScheduled: z.int(), numberReady: z.int() }) });

export interface ClusterQuestion {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly className: string;
  readonly controllerName: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Asks an API server about itself, what else is in the cluster, and the installation. It changes nothing. */
export async function checkCluster(question: ClusterQuestion): Promise<readonly CheckResult[]> {
  const reached = await guard('api-server', () => checkVersion(question.client));
  if (reached.result === 'failed') return [reached];
  let isEnabled: Promise<boolean> | undefined;
  const ofPolicy: ClusterQuestion & PolicyQuestion = {
    ...question,
    isPolicyEnabled: () => {
      isEnabled ??= isPolicyEnabled(question.client, question.namespace);
      return isEnabled;
    },
  };
  const rest = await Promise.all([
    guard('clock', () => checkClock(question)),
    guard('cni', () => checkCni(question.client)),
    guard('cilium-ingress', () => checkCiliumIngress(question.client)),
    guard('cilium-leftovers', () => checkCiliumLeftovers(question.client, question.namespace)),
    guard('ingress-class', () => checkIngressClass(question)),
    guard('permissions', () => checkPermissions(ofPolicy)),
    guard('controllers', () => checkControllers(question)),
    guard('agents', () => checkDaemonSet(question, 'agent')),
    guard('envoys', () => checkDaemonSet(question, 'envoy')),
    guard('authority', () => checkAuthority(question)),
    guard('enforcers', () => checkEnforcers(ofPolicy)),
    guard('envoy-capability', () => checkEnvoyCapability(ofPolicy)),
    guard('ingress-addresses', () => checkIngressAddresses(ofPolicy)),
    guard('policy-kinds', () => checkPolicyKinds(ofPolicy)),
    guard('other-ebpf', () => checkOtherEnforcers(ofPolicy)),
  ]);
  return [reached, ...rest];
}

/** What cannot be asked is no proof that it is wrong, but for the first question. */
async function guard(name: string, check: () => Promise<CheckResult>): Promise<CheckResult> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 'forbidden') return warning(name, `may not be asked: ${error.message}`, 'run it as somebody who may read this');
    return failed(name, error.message, 'check the kubeconfig, and the way to the API server');
  }
}

async function checkVersion(client: ApiClient): Promise<CheckResult> {
  const { gitVersion, major, minor } = version.parse(await client.request({ path: '/version' }));
  const isOld = Number.parseInt(major, 10) === 1 && Number.parseInt(minor, 10) < MIN_MINOR;
  if (!isOld) return ok('api-server', `Kubernetes ${gitVersion}`);
  return failed('api-server', `Kubernetes ${gitVersion}`, `nodes are told apart by tokens that Kubernetes 1.${MIN_MINOR} and newer make`);
}

/** The answer of a review says when the server made it. @see https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/self-subject-review-v1/ */
async function checkClock({ client, now }: ClusterQuestion): Promise<CheckResult> {
  const kind = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const asked = now();
  const answer = await client.request({ method: 'POST', path: '/apis/authentication.k8s.io/v1/selfsubjectreviews', body: kind });
  const there = Date.parse(stamped.parse(answer).metadata.creationTimestamp);
  // The stamp is in whole seconds, rounded down.
  const seconds = Math.round((there + 500 - (asked + now()) / 2) / 1000);
  const found = `the API server is ${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead'}`;
  if (Math.abs(seconds) <= MAX_CLOCK_DIFFERENCE_S) return ok('clock', found);
  return warning('clock', found, 'certificates and tokens are good for a time: synchronise the clocks');
}

const CNIS: ReadonlyMap<RegExp, string> = new Map([
  [/^cilium$/, 'Cilium'],
  [/^calico-node$/, 'Calico'],
  [/^kube-flannel/, 'Flannel'],
  [/^aws-node$/, 'Amazon VPC CNI'],
  [/^azure-c(ns|ni)/, 'Azure CNI'],
  [/^antrea-agent$/, 'Antrea'],
  [/^weave-net$/, 'Weave Net'],
  [/^kindnet$/, 'kindnet'],
  [/^kube-router$/, 'kube-router'],
  [/^ovnkube-node/, 'OVN-Kubernetes'],
]);

async function checkCni(client: ApiClient): Promise<CheckResult> {
  const { items } = list.parse(await client.request({ path: '/apis/apps/v1/daemonsets' }));
  const known = [...CNIS].filter(([pattern]) => items.some(({ metadata }) => pattern.test(metadata.name))).map(([, name]) => name);
  return ok('cni', known.length === 0 ? 'none that is known by its DaemonSet; any will do' : known.join(', '));
}

async function checkIngressClass({ client, className, controllerName }: ClusterQuestion): Promise<CheckResult> {
  const found = await ifFound(client.request({ path: `/apis/networking.k8s.io/v1/ingressclasses/${className}` }));
  if (found === undefined) return failed('ingress-class', `there is no IngressClass ${className}`, INSTALL);
  const controller = ingressClass.parse(found).spec?.controller;
  if (controller === controllerName) return ok('ingress-class', `${className}, of ${controllerName}`);
  return failed(
    'ingress-class',
    `IngressClass ${className} is of ${controller ?? 'nobody'}`,
    'choose another class with ingress.className',
  );
}

async function checkPermissions(question: ClusterQuestion & PolicyQuestion): Promise<CheckResult> {
  const missing: string[] = [];
  const wanted = (await question.isPolicyEnabled()) ? [...CONTROLLER_PERMISSIONS, ...POLICY_PERMISSIONS] : CONTROLLER_PERMISSIONS;
  const queue = wanted.values();
  const work = async () => {
    for (const permission of queue) if (!(await isAllowed(question, permission))) missing.push(describePermission(permission));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  if (missing.length === 0) return ok('permissions', `all ${wanted.length} of a controller`);
  const todo = `as a controller (in its pod, or as system:serviceaccount:${question.namespace}:sluice-controller) this must be allowed: ${INSTALL}`;
  return warning('permissions', `who asks here may not ${missing.sort().join(', ')}`, todo);
}

async function isAllowed({ client, namespace }: ClusterQuestion, permission: Permission): Promise<boolean> {
  const [resource, subresource] = permission.resource.split('/');
  const resourceAttributes = {
    group: permission.group,
    resource,
    verb: permission.verb,
    ...(subresource !== undefined && { subresource }),
    ...(permission.name !== undefined && { name: permission.name }),
    ...(permission.isOwnNamespace && { namespace }),
  };
  const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } };
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  return review.parse(await client.request({ method: 'POST', path, body })).status.allowed;
}

async function checkControllers({ client, namespace }: ClusterQuestion): Promise<CheckResult> {
  const found = await ifFound(client.request({ path: `/apis/apps/v1/namespaces/${namespace}/deployments/sluice-controller` }));
  if (found === undefined) return failed('controllers', `no Deployment sluice-controller in ${namespace}`, INSTALL);
  const { spec, status } = deployment.parse(found);
  const [wanted, available] = [spec.replicas ?? 1, status?.availableReplicas ?? 0];
  const scale = `kubectl -n ${namespace} scale deployment sluice-controller --replicas=2`;
  if (wanted === 0) return failed('controllers', 'the Deployment sluice-controller is scaled to 0', scale);
  const said = `${available} of ${wanted} controllers are available`;
  const todo = `kubectl -n ${namespace} describe deployment sluice-controller; kubectl -n ${namespace} logs deployment/sluice-controller`;
  if (available === 0) return failed('controllers', said, todo);
  return available < wanted ? warning('controllers', said, todo) : ok('controllers', said);
}

async function checkDaemonSet({ client, namespace }: ClusterQuestion, part: 'agent' | 'envoy'): Promise<CheckResult> {
  const name = `${part}s`;
  const found = await ifFound(client.request({ path: `/apis/apps/v1/namespaces/${namespace}/daemonsets/sluice-${part}` }));
  if (found === undefined) return failed(name, `no DaemonSet sluice-${part} in ${namespace}`, INSTALL);
  const { desiredNumberScheduled: wanted, numberReady: ready } = daemonSet.parse(found).status;
  const said = `${part === 'agent' ? 'the agent is ready' : 'Envoy serves'} on ${ready} of ${wanted} nodes`;
  const todo = `kubectl -n ${namespace} get pods -o wide -l app.kubernetes.io/component=${part}; then describe, and logs -c ${part}`;
  return wanted > 0 && ready === wanted ? ok(name, said) : failed(name, said, todo);
}

async function checkAuthority({ client, namespace }: ClusterQuestion): Promise<CheckResult> {
  const found = await ifFound(client.request({ path: `/api/v1/namespaces/${namespace}/configmaps/sluice-ca` }));
  if (found !== undefined) return ok('authority', `ConfigMap sluice-ca is published in ${namespace}`);
  return failed('authority', `no ConfigMap sluice-ca in ${namespace}`, 'the leading controller publishes it; see what it logs');
}
