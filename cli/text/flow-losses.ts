import type { FlowsStatus } from '../../controller/admin/status.ts';

/** How many flows were lost, and where: `lost: kernel 3, reader 20`; undefined where none were. */
export function describeLosses(lost: FlowsStatus['lost']): string | undefined {
  const some = Object.entries(lost).filter(([, count]) => count > 0);
  return some.length === 0 ? undefined : `lost: ${some.map(([where, count]) => `${where} ${count}`).join(', ')}`;
}
