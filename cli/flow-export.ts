import { ExportError, type NodeFlows } from '../agent/index.ts';
import type { Settings } from '../settings/index.ts';
import { CliError } from './cli-error.ts';
import type { Log } from './log.ts';

/** Has a collector told of a node's flows, if settings say so. @throws CliError where they are wrong */
export async function beginFlowExport(flows: Pick<NodeFlows, 'exportTo'>, settings: Settings['flows']['export'], log: Log): Promise<void> {
  if (!settings.enabled) return;
  const onFailure = (message: string) =>
    log({
      level: 'warn',
      event: 'flows',
      text: `the collector at ${settings.collector.endpoint} takes no flows: ${message}; trying again`,
    });
  try {
    await flows.exportTo(settings, onFailure);
  } catch (error) {
    if (error instanceof ExportError) throw new CliError('failed', error.message, { cause: error });
    throw error;
  }
}
