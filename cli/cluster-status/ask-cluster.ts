import { z } from 'zod';
import { type Status, statusSchema } from '../../controller/admin/status.ts';
import { ApiError, type ApiServerClient, execInPod, ifFound } from '../../kube/index.ts';
import type { Diagnostic } from '../../model/index.ts';
import { describeFailure } from '../describe-failure.ts';
import type { AskedCluster, AskedPod } from './asked-cluster.ts';

/** Where each kind of pod tells of itself: on its own loopback, so that it is asked from inside. */
const PARTS = {
  controller: { container: 'controller', port: 15_000 },
  agent: { container: 'agent', port: 15_010 },
  enforcer: { container: 'enforcer', port: 15_011 },
} as const;

type Part = keyof typeof PARTS;

const ASKED_AT_ONCE = 16;
/** So that `node-10` comes after `node-9`. */
const { compare: inOrder } = new Intl.Collator('en', { numeric: true });

const podList = z.object({
  items: z.array(
    z.object({
      metadata: z.object({
        name: z.string(),
        labels: z.record(z.string(), z.string()).default({}),
        deletionTimestamp: z.string().optional(),
      }),
      spec: z.object({ nodeName: z.string().default('') }),
      status: z.object({
        phase: z.string().default('Unknown'),
        reason: z.string().optional(),
        containerStatuses: z
          .array(z.object({ name: z.string(), state: z.record(z.string(), z.object({ reason: z.string().optional() })) }))
          .default([]),
      }),
    }),
  ),
});
type Pod = z.output<typeof podList>['items'][number];

const daemonSet = z.object({
  status: z.object({ desiredNumberScheduled: z.int().default(0), numberReady: z.int().default(0) }).prefault({}),
});

const diagnosticList = z.array(
  z.object({
    severity: z.enum(['error', 'warning', 'info']),
    code: z.string(),
    message: z.string(),
    object: z.object({ kind: z.string(), namespace: z.string(), name: z.string() }).exactOptional(),
    path: z.array(z.union([z.string(), z.number()])),
  }),
);

/**
 * Asks every pod of an installation how it is.
 * @throws ApiError where the API server does not answer or does not let its pods be read
 */
export async function askCluster(client: ApiServerClient, namespace: string): Promise<AskedCluster> {
  const pods = await listPods(client, namespace);
  const ask = (part: Part) => askPart(client, namespace, pods, part);
  const count = (part: string) => countPods(client, namespace, `sluice-${part}`);
  const [agentsOf, enforcersOf, envoys] = await Promise.all([count('agent'), count('enforcer'), count('envoy')]);
  const [controllers, agents, enforcers, hostNetwork] = await Promise.all([
    ask('controller'),
    ask('agent'),
    ask('enforcer'),
    enforcersOf && countHostNetworkPods(client),
  ]);
  const diagnostics = await askDiagnostics(client, namespace, controllers);
  const [wantedAgents, wantedEnforcers] = [agentsOf?.wanted, enforcersOf?.wanted];
  return { controllers, agents, enforcers, wantedAgents, wantedEnforcers, envoys, hostNetwork, diagnostics };
}

/** By node; undefined where who asks may not list pods. */
async function countHostNetworkPods(client: ApiServerClient): Promise<ReadonlyMap<string, number> | undefined> {
  const fieldSelector = 'spec.hostNetwork=true,status.phase!=Succeeded,status.phase!=Failed';
  try {
    const { items } = podList.parse(await client.request({ path: '/api/v1/pods', query: { fieldSelector } }));
    const counted = new Map<string, number>();
    for (const { spec } of items) counted.set(spec.nodeName, (counted.get(spec.nodeName) ?? 0) + 1);
    return counted;
  } catch (error) {
    if (error instanceof ApiError && error.code === 'forbidden') return undefined;
    throw error;
  }
}

/**
 * Asks who enforces policy on each node.
 * @throws ApiError as {@link askCluster}
 */
export async function askEnforcers(client: ApiServerClient, namespace: string): Promise<readonly AskedPod[]> {
  return await askPart(client, namespace, await listPods(client, namespace), 'enforcer');
}

/**
 * Asks the agents of all nodes for a page that not all of them have.
 * @returns what the first says that has it; undefined where none does
 * @throws ApiError as {@link askCluster}
 */
export async function findOnAgents<T>(
  client: ApiServerClient,
  namespace: string,
  page: string,
  view: z.ZodType<T>,
): Promise<T | undefined> {
  const agents = (await listPods(client, namespace)).filter(({ metadata }) => metadata.labels['app.kubernetes.io/component'] === 'agent');
  const found: T[] = [];
  const rest = agents.values();
  const askOn = async () => {
    for (const { metadata } of rest) {
      const answer = view.safeParse(await askPage(client, namespace, 'agent', metadata.name, page).catch(() => undefined));
      if (answer.success) found.push(answer.data);
      if (found.length > 0) return;
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, askOn));
  return found[0];
}

async function listPods(client: ApiServerClient, namespace: string): Promise<readonly Pod[]> {
  const selector = 'app.kubernetes.io/name=sluice';
  const answer = await client.request({ path: `/api/v1/namespaces/${namespace}/pods`, query: { labelSelector: selector } });
  const present = podList.parse(answer).items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  return present.sort((a, b) => inOrder(a.spec.nodeName, b.spec.nodeName) || inOrder(a.metadata.name, b.metadata.name));
}

function askPart(client: ApiServerClient, namespace: string, pods: readonly Pod[], part: Part): Promise<readonly AskedPod[]> {
  const ofPart = pods.filter(({ metadata }) => metadata.labels['app.kubernetes.io/component'] === part);
  return askAll(ofPart, (pod) => askPod(client, namespace, part, pod));
}

/** Some at a time: each is a connection through the API server and a kubelet. */
async function askAll(pods: readonly Pod[], ask: (pod: Pod) => Promise<AskedPod>): Promise<readonly AskedPod[]> {
  const answers: AskedPod[] = [];
  const rest = pods.entries();
  const askOn = async () => {
    for (const [index, pod] of rest) answers[index] = await ask(pod);
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, askOn));
  return answers;
}

async function askPod(client: ApiServerClient, namespace: string, part: Part, pod: Pod): Promise<AskedPod> {
  const about = { pod: pod.metadata.name, node: pod.spec.nodeName };
  const { phase, containerStatuses } = pod.status;
  const state = containerStatuses.find(({ name }) => name === PARTS[part].container)?.state;
  if (state?.['running'] === undefined) {
    const reason = Object.values(state ?? {}).find((each) => each.reason !== undefined)?.reason ?? pod.status.reason ?? phase;
    return { ...about, status: undefined, silence: `its container does not run: ${reason}` };
  }
  try {
    return { ...about, status: statusSchema.parse(await askPage(client, namespace, part, about.pod, '/status')), silence: undefined };
  } catch (error) {
    return { ...about, status: undefined, silence: error instanceof z.ZodError ? 'it is of another version' : describeFailure(error) };
  }
}

async function askPage(client: ApiServerClient, namespace: string, part: Part, pod: string, page: string): Promise<unknown> {
  const { container, port } = PARTS[part];
  const command = ['wget', '-q', '-O', '-', `http://127.0.0.1:${port}${page}`];
  const { stdout, stderr, exitCode } = await execInPod(client, { namespace, pod, container, command });
  if (exitCode !== 0) throw new Error(`it does not answer: ${stderr.trim() || `exit code ${exitCode}`}`);
  return JSON.parse(stdout);
}

/** All controllers find the same. */
async function askDiagnostics(client: ApiServerClient, namespace: string, controllers: readonly AskedPod[]): Promise<Diagnostic[]> {
  const leads = ({ status }: { readonly status: Status | undefined }) => status?.cluster?.isLeader === true;
  const asked = controllers.find(leads) ?? controllers.find(({ status }) => status !== undefined);
  if (!asked) return [];
  return diagnosticList.parse(await askPage(client, namespace, 'controller', asked.pod, '/diagnostics'));
}

async function countPods(client: ApiServerClient, namespace: string, name: string): Promise<AskedCluster['envoys']> {
  const found = await ifFound(client.request({ path: `/apis/apps/v1/namespaces/${namespace}/daemonsets/${name}` }));
  if (found === undefined) return undefined;
  const { desiredNumberScheduled: wanted, numberReady: ready } = daemonSet.parse(found).status;
  return { wanted, ready };
}
