import { z } from 'zod';

export const clientRequest = z.discriminatedUnion('kind', [
  /** Begins to ask for a host at port 80 of an address at all times; every answer must be of one of the backends. */
  z.object({
    kind: z.literal('start'),
    address: z.string(),
    host: z.string(),
    backends: z.array(z.string()).readonly(),
    /** Whether what led to no host counts by itself, and not as failed. */
    setsUndeliveredApart: z.boolean().default(false),
  }),
  /** What just happened is told of with failures. */
  z.object({ kind: z.literal('note'), text: z.string() }),
  z.object({ kind: z.literal('counts') }),
  /** What failed had to, but for the first so many that are told of: it still counts, and is told of no more. */
  z.object({ kind: z.literal('forgive'), except: z.int() }),
  /** Answered when the last request is over. */
  z.object({ kind: z.literal('stop') }),
  /** Answered as soon as a backend answers there, with its name. */
  z.object({ kind: z.literal('until-answered'), address: z.string(), port: z.int(), host: z.string() }),
]);

/** What a test asks {@link file://./client-program.ts} for. */
export type ClientRequest = z.input<typeof clientRequest>;

export const countsView = z.object({
  sent: z.int(),
  failed: z.int(),
  /** Of connections, those that the network between said lead to no host: no node ever heard of them. */
  undelivered: z.int(),
  /** What failed and was not forgiven, as people read it; of many, the first. */
  failures: z.array(z.string()),
  /** How many requests clients of each kind have sent. */
  byClient: z.record(z.string(), z.int()),
});
export type Counts = z.infer<typeof countsView>;
