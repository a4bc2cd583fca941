import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeViews } from '../../xds-server/serve/index.ts';
import type { ControlParts } from '../control/control-parts.ts';

export interface ProgrammedParts {
  readonly server: Pick<ControlParts['server'], 'clients' | 'waitSynced'>;
  readonly cache: Pick<ControlParts['cache'], 'revision'>;
  readonly pipeline: Pick<ControlParts['pipeline'], 'servingNodes'>;
  /** Undefined where everybody sees everything. */
  readonly views: Pick<NodeViews, 'isNothing'> | undefined;
}

/** Nodes that take longer are not waited for: one that hangs must not hide an Ingress that all others serve. */
const PATIENCE_MS = 2_000;
/** What other replicas' nodes are given, of which this one knows only that they have the same to take in. */
const ELSEWHERE_MS = 1_000;

/**
 * Resolves when the Envoys of the nodes that are connected here have what is published now, and those that other replicas serve
 * had time for it, so that a status promises nothing that is not so. Nodes that serve nothing are not waited for. Never rejects.
 */
export async function untilProgrammed({ server, cache, views, pipeline }: ProgrammedParts): Promise<void> {
  const { revision } = cache;
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const nodes = new Set(server.clients().map(({ nodeId }) => nodeId));
  const here = [...nodes].filter((node) => !views?.isNothing(node)).map((node) => server.waitSynced(node, { revision, signal }));
  const elsewhere = [...pipeline.servingNodes()].every((node) => nodes.has(node)) ? [] : [sleep(ELSEWHERE_MS)];
  await Promise.allSettled([...here, ...elsewhere]);
}
