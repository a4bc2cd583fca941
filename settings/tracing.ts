import { z } from 'zod';

/** An address of IPv6 stands in brackets. */
const COLLECTOR_ENDPOINT = /^https?:\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):\d{1,5}(\/[^?#\s]*)?$/;
const ENDPOINT_FORM = 'must be http:// or https://, a host and a port, as in http://collector.observability.svc:4317';

/** What has the form of one: numbers may be too large, and addresses none. */
function isAddress(endpoint: string): boolean {
  return URL.canParse(endpoint) && new URL(endpoint).port !== '0';
}

/** Of those that gRPC takes, too; more would be refused by Envoy, with all that stands in the same listener. */
const HEADER_NAME = /^[0-9A-Za-z_.-]+$/;
const HEADER_VALUE = /^[ -~]*$/;
/** gRPC's own, and those whose values are bytes. */
const OF_GRPC = /^grpc-|-bin$/i;
/** They say how a message is sent, and are set by who sends it. */
const OF_THE_MESSAGE = /^(?:connection|content-encoding|content-length|content-type|host|te|transfer-encoding|upgrade)$/i;

const headers = z.record(z.string(), z.string()).superRefine((all, context) => {
  for (const [name, value] of Object.entries(all)) {
    const problem = headerProblem(name, value);
    if (problem !== undefined) context.addIssue({ code: 'custom', path: [name], message: problem });
  }
});

function headerProblem(name: string, value: string): string | undefined {
  if (!HEADER_NAME.test(name)) return 'is no name of a header: letters, digits, "_", "." and "-"';
  if (OF_GRPC.test(name) || OF_THE_MESSAGE.test(name)) return 'is a header that nobody else may set';
  return HEADER_VALUE.test(value) ? undefined : 'must be printable ASCII in one line';
}

/** Who is told by OpenTelemetry's protocol. */
export const collector = z
  .strictObject({
    endpoint: z
      .string()
      .regex(COLLECTOR_ENDPOINT, ENDPOINT_FORM)
      .refine(isAddress, ENDPOINT_FORM)
      .default('http://localhost:4317')
      .describe(
        'Where the collector listens, with http:// or https:// and a port; with the protocol http, what stands before /v1 may follow.',
      ),
    protocol: z.enum(['grpc', 'http']).default('grpc').describe("Which form of OpenTelemetry's protocol it is told by."),
    headers: headers
      .optional()
      .describe(
        'Headers that all goes out with, such as those by which it knows who may tell. Of tracing, they stand in what Envoy is configured with; no page of Sluice shows their values.',
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
  .superRefine(({ collector: { protocol, headers: all = {} } }, context) => {
    // Envoy wants a format there, of which it then sends the text.
    const path = ['collector', 'headers'];
    for (const [name, value] of Object.entries(protocol === 'grpc' ? all : {}))
      if (value.includes('%')) context.addIssue({ code: 'custom', path: [...path, name], message: 'with grpc, Envoy can send no "%"' });
  })
  .prefault({});
