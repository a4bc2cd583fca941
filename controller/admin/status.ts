import { z } from 'zod';

const count = z.int().min(0);

const envoy = z.object({
  pid: z.int().optional(),
  version: z.string(),
  /** Whether it was started by an earlier Sluice. */
  adopted: z.boolean(),
  /** ISO 8601; absent while no Envoy runs. */
  since: z.string().optional(),
});

const client = z.object({
  /** What the client calls itself. */
  node: z.string(),
  /** Whether it has acknowledged everything that it asked for and that is there. */
  synced: z.boolean(),
  /** By type of resource: how many it has acknowledged. */
  resources: z.record(z.string(), count),
});

const rejection = z.object({
  type: z.string(),
  name: z.string(),
  /** Envoy's own words. */
  message: z.string(),
  /** The objects that the resource came from, as `Ingress default/web (web.yaml:12)`. */
  sources: z.array(z.string()),
});

/** What `/status` answers: the whole of a running Sluice at a glance. */
export const statusSchema = z.object({
  version: z.string(),
  pid: z.int(),
  /** ISO 8601. */
  since: z.string(),
  manifests: z.string(),
  entry: z.object({ address: z.string(), httpPort: z.int(), httpsPort: z.int() }),
  ready: z.boolean(),
  /** Why not; absent when ready. */
  notReady: z.string().optional(),
  envoy,
  objects: z.record(z.string(), count),
  resources: z.record(z.string(), count),
  clients: z.array(client),
  findings: z.object({ error: count, warning: count, info: count }),
  rejected: z.array(rejection),
});

export type Status = z.output<typeof statusSchema>;
