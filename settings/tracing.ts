import { z } from 'zod';

/** An address of IPv6 stands in brackets. */
const COLLECTOR_ENDPOINT = /^https?:\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):\d{1,5}(\/[^?#\s]*)?$/;

/** Who is told by OpenTelemetry's protocol. */
export const collector = z
  .strictObject({
    endpoint: z
      .string()
      .regex(COLLECTOR_ENDPOINT, 'must be http:// or https://, a host and a port, as in http://collector.observability.svc:4317')
      .default('http://localhost:4317')
      .describe(
        'Where the collector listens, with http:// or https:// and a port; with the protocol http, what stands before /v1 may follow.',
      ),
    protocol: z.enum(['grpc', 'http']).default('grpc').describe("Which form of OpenTelemetry's protocol it is told by."),
    headers: z
      .record(z.string(), z.string())
      .optional()
      .describe(
        'Headers that all goes out with, such as those by which it knows who may tell. Of tracing, they stand in what Envoy is configured with.',
      ),
    certificateAuthorities: z
      .string()
      .startsWith('/')
      .default('/etc/ssl/certs/ca-certificates.crt')
      .describe('With https: a file of PEM by which its certificate is checked, where who tells it finds it: Envoy, or the agent.'),
  })
  .prefault({});

export const tracing = z
  .strictObject({
    enabled: z
      .boolean()
      .default(false)
      .describe('Whether Envoys tell spans of requests, of Ingresses, policies and CiliumEnvoyConfigs without tracing of their own.'),
    sampling: z
      .number()
      .min(0)
      .max(100)
      .default(100)
      .describe('Of how many requests that bring no trace one is begun, in percent; a request that brings one has decided.'),
    serviceName: z.string().min(1).default('sluice-envoy').describe('What the spans have for service.name.'),
    resourceAttributes: z
      .record(z.string(), z.string())
      .optional()
      .describe(
        "What else they say of who tells, beside what Envoy's environment says in OTEL_RESOURCE_ATTRIBUTES (pod, node, namespace).",
      ),
    changes: z
      .boolean()
      .default(false)
      .describe('Whether the control plane tells of each change, from when it is seen to the answer of each node.'),
    collector,
  })
  .prefault({});
