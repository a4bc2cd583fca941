import { z } from 'zod';

const fault = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('answer'), status: z.int(), retryAfterSeconds: z.int().optional() }),
  z.object({ kind: z.literal('slow'), delayMs: z.int() }),
  z.object({ kind: z.literal('duplicate') }),
  z.object({ kind: z.literal('reorder') }),
]);
/** Of all requests, or where it is about events, of watches. */
export type ApiFault = z.infer<typeof fault>;

export const proxyRequest = z.discriminatedUnion('kind', [
  /** From now on, also for what was asked before: all connections are broken. */
  z.object({ kind: z.literal('begin'), fault }),
  /** The same for no fault. */
  z.object({ kind: z.literal('end') }),
  z.object({ kind: z.literal('counts') }),
]);

/** What a test asks {@link file://./proxy-program.ts} for. */
export type ProxyRequest = z.infer<typeof proxyRequest>;
export const proxyCountsView = z.object({
  /** How many requests had a fault. */
  requests: z.int(),
  /** How many events came late, twice, or after a later one. */
  events: z.int(),
});
export type ProxyCounts = z.infer<typeof proxyCountsView>;
