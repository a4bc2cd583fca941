import { z } from 'zod';
import type { PodEndpoint } from '../../model/index.ts';

/** A {@link PodEndpoint} that came from another process. */
export const endpointView: z.ZodType<PodEndpoint> = z.object({
  pod: z.object({ kind: z.string(), namespace: z.string(), name: z.string() }),
  uid: z.string(),
  node: z.string(),
  addresses: z.array(z.string()),
  identity: z.int(),
});
