import { z } from 'zod';
import { type EnforcementStatus, statusSchema } from '../../controller/admin/status.ts';
import { type ApiServerClient, ifFound } from '../../kube/index.ts';
import { CliError } from '../cli-error.ts';
import { askEnforcers } from '../cluster-status/ask-cluster.ts';
import { findSteeringProblems } from '../cluster-status/enforcer-report.ts';
import type { KnownIdentity } from './node-identities.ts';

/** A pod whose packets are to be judged on its node. */
export interface ToldEndpoint {
  /** Absent where one node was asked. */
  readonly node?: string;
  readonly namespace: string;
  readonly name: string;
  /** `open`: its packets are not judged though they should be. `missing`: no device was found for it. */
  readonly state: 'judged' | 'open' | 'missing';
  /** Why it is open. */
  readonly why?: string;
  readonly identity?: number;
  readonly labels: readonly string[];
  readonly addresses: readonly string[];
  readonly device?: string;
}

/** The device of a pod that has started, and that nobody has told the address of yet. */
export interface ToldNewcomer {
  /** Absent where one node was asked. */
  readonly node?: string;
  readonly device: string;
  /** As whom it is judged. */
  readonly identity: number;
  readonly addresses: readonly string[];
}

export interface ToldEndpoints {
  readonly endpoints: readonly ToldEndpoint[];
  readonly newcomers: readonly ToldNewcomer[];
  /** What keeps packets from being steered to Envoy. */
  readonly notSteered: readonly { readonly node?: string; readonly why: string }[];
  /** Nodes whose enforcer says nothing, and why. */
  readonly silent: readonly { readonly node: string; readonly why: string }[];
}

const TIMEOUT_MS = 10_000;
const IDENTITIES = '/apis/sluice.io/v1alpha1/sluiceidentities';

const modelSchema = z.object({
  identities: z.array(z.object({ identity: z.int(), labels: z.array(z.string()), addresses: z.array(z.string()) })),
});
const identityList = z.object({
  items: z.array(z.object({ metadata: z.object({ name: z.coerce.number() }), spec: z.object({ labels: z.array(z.string()) }) })),
});

/**
 * Asks the enforcer of this node for its pods.
 * @param port of its admin endpoint
 * @throws CliError where none answers
 */
export async function askEndpoints(port: number): Promise<ToldEndpoints> {
  const status = statusSchema.safeParse(await askPage(port, '/status')).data;
  if (!status?.enforcement) throw notAnEnforcer(port);
  const { newcomers = [], steering } = status.enforcement;
  const notSteered = findSteeringProblems(steering).map((why) => ({ why }));
  return { endpoints: endpointsOf(status.enforcement), newcomers, notSteered, silent: [] };
}

/** Asks every enforcer of a cluster for the pods of its node. @throws ApiError */
export async function askAllEndpoints(client: ApiServerClient, namespace: string): Promise<ToldEndpoints> {
  const asked = await askEnforcers(client, namespace);
  if (asked.length === 0) throw new CliError('failed', `no enforcer runs in the namespace ${namespace}: see manifests/policy.yaml`);
  const endpoints = asked.flatMap(({ node, status }) => {
    return status?.enforcement ? endpointsOf(status.enforcement).map((endpoint) => ({ node, ...endpoint })) : [];
  });
  const newcomers = asked.flatMap(({ node, status }) => (status?.enforcement?.newcomers ?? []).map((newcomer) => ({ node, ...newcomer })));
  const notSteered = asked.flatMap(({ node, status }) => findSteeringProblems(status?.enforcement?.steering).map((why) => ({ node, why })));
  const silent = asked.flatMap(({ node, status, silence }) => {
    return status?.enforcement ? [] : [{ node, why: silence ?? 'it is of another version' }];
  });
  return { endpoints, newcomers, notSteered, silent };
}

/** Asks the enforcer of this node for the identities that it knows; by their numbers. @throws CliError where none answers */
export async function askIdentities(port: number): Promise<readonly KnownIdentity[]> {
  const parsed = modelSchema.safeParse(await askPage(port, '/model'));
  if (!parsed.success) throw notAnEnforcer(port);
  return parsed.data.identities;
}

/** The identities that a cluster has for labels; those of addresses are of each node alone. @throws CliError, ApiError */
export async function askClusterIdentities(client: ApiServerClient): Promise<readonly KnownIdentity[]> {
  const answer = await ifFound(client.request({ path: IDENTITIES }));
  if (answer === undefined) throw new CliError('failed', 'the cluster has no SluiceIdentities: see manifests/policy.yaml');
  const all = identityList
    .parse(answer)
    .items.map(({ metadata, spec }) => ({ identity: metadata.name, labels: spec.labels, addresses: [] }));
  return all.sort((a, b) => a.identity - b.identity);
}

function endpointsOf({ endpoints, missing }: EnforcementStatus): ToldEndpoint[] {
  const found = endpoints.map(({ open, ...rest }): ToldEndpoint => {
    return open === undefined ? { ...rest, state: 'judged' } : { ...rest, state: 'open', why: open };
  });
  const lost = missing.map((pod): ToldEndpoint => ({ ...pod, state: 'missing', labels: [], addresses: [] }));
  return [...found, ...lost].sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1));
}

async function askPage(port: number, page: string): Promise<unknown> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${page}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return await response.json();
  } catch (cause) {
    if (cause instanceof SyntaxError) throw notAnEnforcer(port);
    throw new CliError('failed', `no enforcer answers on 127.0.0.1:${port}; does \`sluice enforcer\` run, and with this --admin-port?`, {
      cause,
    });
  }
}

function notAnEnforcer(port: number): CliError {
  return new CliError('failed', `what answers on 127.0.0.1:${port} is no enforcer of this version of Sluice`);
}
