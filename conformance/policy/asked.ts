import { z } from 'zod';

/** Where something is asked, and how. */
export interface Asked {
  readonly host: string;
  readonly port: number;
  /** Default: `TCP`. */
  readonly protocol?: 'TCP' | 'UDP';
  /** Asks for something by HTTP. Default: only connects. */
  readonly http?: { readonly method?: string; readonly path: string };
  /** How often, one after the other, each by a socket of its own. Default: 1. */
  readonly times?: number;
}

/** What `ask-program.ts` is told by its argument. */
export const askedView = z.array(
  z.object({
    host: z.string(),
    port: z.int(),
    protocol: z.enum(['TCP', 'UDP']).default('TCP'),
    http: z.object({ method: z.string().default('GET'), path: z.string() }).optional(),
    times: z.int().default(1),
  }),
);

/**
 * What it writes: for each that is asked, what was heard each time. That is all that was said until the other side had ended, or the
 * error's code, `timeout` where nobody took a connection (or, of UDP, answered), and `silent` where somebody took it and said nothing. By HTTP it is
 * the status and the body, without spaces around it.
 */
export const heardView = z.array(z.array(z.string()));
