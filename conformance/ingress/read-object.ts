import { z } from 'zod';

const balanced = z.object({
  status: z
    .object({
      loadBalancer: z
        .object({ ingress: z.array(z.object({ ip: z.string().optional(), hostname: z.string().optional() })).optional() })
        .optional(),
    })
    .optional(),
});

/** The addresses in the status of an Ingress or Service, in order. */
export function addressesOf(object: unknown): readonly string[] {
  const parsed = balanced.safeParse(object);
  const points = parsed.success ? (parsed.data.status?.loadBalancer?.ingress ?? []) : [];
  return points.flatMap(({ ip, hostname }) => ip ?? hostname ?? []);
}

const metadata = z.object({
  name: z.string(),
  namespace: z.string().default(''),
  uid: z.string().default(''),
  resourceVersion: z.string().default(''),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
  deletionTimestamp: z.string().optional(),
  ownerReferences: z
    .array(z.object({ kind: z.string(), name: z.string(), uid: z.string(), controller: z.boolean().default(false) }))
    .default([]),
});

/** @throws ZodError where it is no object */
export function metadataOf(object: unknown): z.output<typeof metadata> {
  return z.object({ metadata }).parse(object).metadata;
}

const service = z.object({
  spec: z.object({
    type: z.string().default('ClusterIP'),
    loadBalancerClass: z.string().optional(),
    externalTrafficPolicy: z.string().optional(),
    ports: z.array(z.object({ name: z.string().optional(), port: z.int(), nodePort: z.int().optional() })).default([]),
  }),
});

/** @throws ZodError where it is no Service */
export function serviceSpecOf(object: unknown): z.output<typeof service>['spec'] {
  return service.parse(object).spec;
}

const event = z.object({
  reason: z.string().default(''),
  type: z.string().default(''),
  involvedObject: z.object({ kind: z.string().default(''), name: z.string().default('') }).optional(),
  regarding: z.object({ kind: z.string().default(''), name: z.string().default('') }).optional(),
});

/** What an Event is about and why, of either of the two APIs. */
export function eventOf(object: unknown): { readonly kind: string; readonly name: string; readonly reason: string } {
  const { involvedObject, regarding, reason } = event.parse(object);
  return { kind: '', name: '', ...(involvedObject ?? regarding), reason };
}
