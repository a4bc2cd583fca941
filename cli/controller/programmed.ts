import type { SnapshotCache, XdsServer } from '../../xds-server/serve/index.ts';

/** Nodes that take longer are not waited for: one that hangs must not hide an Ingress that all others serve. */
const PATIENCE_MS = 2_000;

/**
 * Resolves when the Envoys of all connected nodes have what is published now, so that a status promises nothing that is not so.
 * Never rejects.
 */
export async function untilProgrammed(server: XdsServer, cache: SnapshotCache): Promise<void> {
  const { revision } = cache;
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const nodes = new Set(server.clients().map(({ nodeId }) => nodeId));
  await Promise.allSettled([...nodes].map((node) => server.waitSynced(node, { revision, signal })));
}
