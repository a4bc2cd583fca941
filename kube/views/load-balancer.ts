import { z } from 'zod';
import { list, text } from './metadata.ts';

const portStatus = z.object({ port: z.int(), protocol: z.string(), error: text });

/** An address that traffic enters by, as a Service and an Ingress tell it. */
const ingressPoint = z.object({ ip: text, hostname: text, ipMode: text, ports: z.array(portStatus).optional() });

/** The status of objects that a load balancer may stand before. */
export const loadBalancerStatus = z.object({ loadBalancer: z.object({ ingress: list(ingressPoint) }).optional() }).optional();

export type IngressPoint = z.output<typeof ingressPoint>;
