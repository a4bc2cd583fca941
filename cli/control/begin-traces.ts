import type { Settings } from '../../settings/index.ts';
import type { Log } from '../log.ts';
import type { SideTask } from '../side-tasks.ts';
import type { ControlParts } from './control-parts.ts';

/** Has a collector told what becomes of changes, if settings say so: of all that come once it could begin. */
export function beginTraces(control: ControlParts, settings: Settings['tracing'], log: Log): SideTask | undefined {
  if (!settings.changes) return undefined;
  return control.tasks.begin('traces of changes', async () => {
    const { traceChanges } = await import('./trace-changes.ts');
    return await traceChanges(control, settings, log);
  });
}
