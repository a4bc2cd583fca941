import type { Settings } from '../../settings/index.ts';
import type { Log } from '../log.ts';
import type { SideTask } from '../side-tasks.ts';
import type { ControlParts } from './control-parts.ts';
import type { Traced } from './trace-changes.ts';

/**
 * Has a collector told what becomes of changes, if settings say so: of all that come once it could begin.
 * @param policy what serves policies, where somebody does
 */
export function beginTraces(
  control: ControlParts,
  policy: Traced | undefined,
  { settings, log }: { readonly settings: Settings['tracing']; readonly log: Log },
): SideTask | undefined {
  if (!settings.changes) return undefined;
  return control.tasks.begin('traces of changes', async () => {
    const { traceChanges } = await import('./trace-changes.ts');
    return await traceChanges(policy ? [control, policy] : [control], { settings, metrics: control.metrics, log });
  });
}
