import { CliError } from '../cli-error.ts';
import { DEFAULT_PORTS } from '../options.ts';

const TIMEOUT_MS = 5_000;

/**
 * Where a Sluice of this machine tells of flows, as its admin endpoint says.
 * @param adminPort default: those that `sluice run` and the agent of a cluster have
 * @returns as gRPC names it
 * @throws CliError where none does
 */
export async function findServer(adminPort: number | undefined): Promise<string> {
  const ports = adminPort === undefined ? [DEFAULT_PORTS.admin, DEFAULT_PORTS.agentAdmin] : [adminPort];
  let isAny = false;
  for (const port of ports) {
    const status = await statusAt(port);
    isAny ||= status !== undefined;
    if (status?.flows?.socket !== undefined) return `unix:${status.flows.socket}`;
  }
  const where = ports.map((port) => `127.0.0.1:${port}`).join(' or ');
  if (isAny) {
    throw new CliError(
      'failed',
      `what answers on ${where} remembers no flows: \`sluice run\` and agents do, unless the setting flows.enabled says otherwise`,
    );
  }
  throw new CliError(
    'failed',
    `no Sluice answers on ${where}; does \`sluice run\` or \`sluice agent\` run here? With --admin-port or --server others are asked`,
  );
}

async function statusAt(port: number) {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/status`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const { statusSchema } = await import('../../controller/admin/status.ts');
    return statusSchema.safeParse(await response.json()).data;
  } catch {
    return undefined;
  }
}
