import { z } from 'zod';
import type { ApiServerClient } from '../../kube/index.ts';
import { CliError } from '../cli-error.ts';
import { findOnAgents } from '../cluster-status/ask-cluster.ts';

const about = {
  id: z.string(),
  slot: z.string(),
  audited: z.boolean(),
  time: z.string(),
  client: z.string(),
  destination: z.string(),
  verdict: z.enum(['refused', 'nothing', 'nearest', 'allowed', 'unknown']),
  text: z.string(),
};
const denialView = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('request'), ...about, method: z.string(), path: z.string(), host: z.string() }),
  z.object({ kind: z.literal('server-name'), ...about, serverName: z.string() }),
]);

/** A request or a connection that rules denied, and what came nearest to allowing it. */
export type ToldDenial = z.output<typeof denialView>;

const TIMEOUT_MS = 10_000;

/**
 * Asks what serves this node's Envoy.
 * @param port of its admin endpoint
 * @throws CliError where none answers, or it knows of no such request
 */
export async function askDenial(port: number, id: string): Promise<ToldDenial> {
  const response = await ask(port, id);
  if (response.status === 404) throw unknown(id);
  const parsed = denialView.safeParse(await response.json().catch(() => undefined));
  if (!parsed.success) throw new CliError('failed', `what answers on 127.0.0.1:${port} is no Sluice of this version that serves an Envoy`);
  return parsed.data;
}

/** Asks the agent of every node of a cluster. @throws ApiError, or CliError where none knows of the request */
export async function askDenialOfCluster(client: ApiServerClient, namespace: string, id: string): Promise<ToldDenial> {
  const found = await findOnAgents(client, namespace, denialPage(id), denialView);
  if (!found) throw unknown(id);
  return found;
}

/** For people; one line for each thing. */
export function formatDenial(denial: ToldDenial): string {
  const { time, client, destination, audited, text } = denial;
  const lines = [
    denial.kind === 'request'
      ? ['request', `${denial.method} ${denial.path} for ${denial.host}`]
      : ['server', denial.serverName === '' ? 'none named' : denial.serverName],
    ['from', client],
    ['to', destination],
    [audited ? 'passed' : 'denied', audited ? `${time}, in audit mode: without it, it would have been denied` : time],
    ['why', text],
  ] as const;
  return lines.map(([name, value]) => `${name.padEnd(9)}${value}\n`).join('');
}

function denialPage(id: string): string {
  return `/denials/${encodeURIComponent(id)}`;
}

async function ask(port: number, id: string): Promise<Response> {
  try {
    return await fetch(`http://127.0.0.1:${port}${denialPage(id)}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (cause) {
    throw new CliError(
      'failed',
      `nothing answers on 127.0.0.1:${port}; does \`sluice run --enforce\` or \`sluice agent\` run, and with this --admin-port?`,
      {
        cause,
      },
    );
  }
}

function unknown(id: string): CliError {
  return new CliError(
    'failed',
    `no request with the id ${JSON.stringify(id)} was denied lately; an answer's id is its header x-request-id, a connection's the connectionId in Envoy's log`,
  );
}
