import { z } from 'zod';
import { clientId } from './client-id.ts';
import { duration } from './duration.ts';
import { flowExport } from './flow-export.ts';
import { nodeSelector } from './node-selector.ts';
import { tracing } from './tracing.ts';

const http = z
  .strictObject({
    proxyProtocol: z.boolean().default(false).describe('Connections begin with a PROXY protocol header, version 1 or 2.'),
    useRemoteAddress: z
      .boolean()
      .default(true)
      .describe("The client's address is that of its connection, and X-Forwarded-For is extended, not trusted."),
    xffTrustedHops: z.int().min(0).max(32).default(0).describe('How many proxies in front are trusted to have added to X-Forwarded-For.'),
    streamIdleTimeout: duration.prefault('300s').describe('A request or stream with no activity for this long ends; 0s for never.'),
    pathNormalization: z
      .enum(['none', 'base', 'merge-slashes', 'full'])
      .default('full')
      .describe(
        'What becomes of a path before routes and rules of policies look at it, and goes on as such. base: dot segments and needless escapes are resolved; merge-slashes: and several slashes are one; full: and a path with an escaped slash (%2F, %5C) is answered with a redirect to the one without. With less than full, a rule may be got around where a server reads paths in another way.',
      ),
    headersWithUnderscores: z
      .enum(['allow', 'drop', 'reject'])
      .default('allow')
      .describe(
        'What becomes of headers with an underscore in their names, which some servers take for a hyphen: reject answers the request with 400.',
      ),
    accessLog: z.enum(['off', 'json']).default('off').describe("json: one JSON object a request on Envoy's standard output."),
  })
  .prefault({});

const nodePort = z.int().min(1).max(65535).optional();

const hostNetwork = z
  .strictObject({
    enabled: z.boolean().default(false).describe('In a cluster: serve on ports of the nodes, without Services for load balancers.'),
    sharedListenerPort: z
      .int()
      .min(1)
      .max(65535)
      .default(8080)
      .describe('The port of each node for Ingresses without one of their own, with and without TLS.'),
  })
  .prefault({});

const service = z
  .strictObject({
    type: z.enum(['LoadBalancer', 'NodePort', 'ClusterIP']).default('LoadBalancer').describe('The type of the Services of Ingresses.'),
    externalTrafficPolicy: z
      .enum(['Cluster', 'Local'])
      .default('Cluster')
      .describe("Local keeps clients' addresses, and sends traffic only to the node that it arrives at."),
    loadBalancerClass: z.string().min(1).optional().describe('Which load balancer serves the Services; absent for the default one.'),
    insecureNodePort: nodePort.describe('The node port for HTTP of the shared Service; absent for any.'),
    secureNodePort: nodePort.describe('The node port for HTTPS of the shared Service; absent for any.'),
    labels: z.record(z.string(), z.string()).optional().describe('Labels of the shared Service.'),
    annotations: z.record(z.string(), z.string()).optional().describe('Annotations of the shared Service.'),
    copiedPrefixes: z
      .array(z.string().min(1))
      .default(['lbipam.cilium.io', 'nodeipam.cilium.io', 'service.beta.kubernetes.io', 'service.kubernetes.io', 'cloud.google.com'])
      .describe('Labels and annotations that begin with one of these are copied from an Ingress to a Service of its own.'),
  })
  .prefault({});

const ingress = z
  .strictObject({
    className: z.string().min(1).default('cilium').describe('The class that Ingresses name to be served.'),
    controllerName: z
      .string()
      .min(1)
      .default('cilium.io/ingress-controller')
      .describe('The controller name of IngressClasses that are ours.'),
    enforceHttps: z
      .boolean()
      .default(true)
      .describe('Hosts with TLS answer plain HTTP with a redirect (308), unless the annotation force-https says otherwise.'),
    defaultSecret: z
      .string()
      .regex(/^[a-z0-9-]+\/[a-z0-9.-]+$/, 'must be namespace/name')
      .optional()
      .describe('namespace/name of the TLS Secret for TLS entries that name none.'),
    requestTimeout: duration.prefault('0s').describe('How long a backend may take for the whole answer; 0s for any time.'),
    loadBalancerMode: z
      .enum(['dedicated', 'shared'])
      .default('dedicated')
      .describe('In a cluster: whether Ingresses have a Service each or one together, unless the annotation loadbalancer-mode says.'),
    nodes: nodeSelector
      .optional()
      .describe(
        'In a cluster: the nodes that serve Ingresses, by their labels; absent for all. Others get nothing of them, no certificate either.',
      ),
    hostNetwork,
    service,
  })
  .prefault({});

/** Those that take no further configuration: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on */
const RETRY_CONDITIONS = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'refused-stream',
  'retriable-4xx',
  'envoy-ratelimited',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
] as const;

const retry = z
  .strictObject({
    on: z.array(z.enum(RETRY_CONDITIONS)).min(1).describe("Envoy's retry conditions, such as connect-failure, refused-stream, 5xx."),
    attempts: z.int().min(1).max(10).default(2).describe('Retries after the first try.'),
    perTryTimeout: duration.prefault('0s').describe('How long one try may take; 0s for the rest of the request timeout.'),
  })
  .optional();

const outlierDetection = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether endpoints that fail are set aside for a while.'),
    consecutiveErrors: z.int().min(1).default(5).describe('Errors in a row after which an endpoint is set aside.'),
    interval: duration.prefault('10s').describe('How often endpoints are looked at.'),
    baseEjectionTime: duration.prefault('30s').describe('How long an endpoint is set aside, times how often it was.'),
    maxEjectionPercent: z.int().min(0).max(100).default(10).describe('The most of a cluster that may be set aside at once.'),
  })
  .transform(({ enabled, ...options }) => (enabled ? options : false))
  .prefault({})
  .or(z.literal(false));

const affinity = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('none') }),
    z.strictObject({ kind: z.literal('source-ip') }),
    z.strictObject({
      kind: z.literal('cookie'),
      name: z.string().min(1).default('sluice-session').describe('Name of the cookie.'),
      ttl: duration.prefault('0s').describe('How long the cookie lives; 0s for as long as the browser is open.'),
    }),
  ])
  .prefault({ kind: 'none' });

const upstream = z
  .strictObject({
    connectTimeout: duration.prefault('5s').describe('How long a connection to an endpoint may take to open.'),
    idleTimeout: duration
      .prefault('60s')
      .describe('A connection to a backend that carries no request for this long is closed; 0s for never.'),
    tlsVerification: z
      .enum(['none', 'system'])
      .default('none')
      .describe('Whether the certificate of a backend with appProtocol https is checked.'),
    certificateAuthorities: z
      .string()
      .startsWith('/')
      .default('/etc/ssl/certs/ca-certificates.crt')
      .describe('Where Envoy finds the certificates to check by, with tlsVerification system: a file of PEM.'),
    sessionAffinity: affinity.describe(
      'Keeps a client on one endpoint; a Service with sessionAffinity ClientIP has source-ip without this.',
    ),
    retry: retry.describe('Absent: no retries; where policies are enforced, GET, HEAD and OPTIONS whose connection ended unanswered.'),
    outlierDetection: outlierDetection.describe('false is the same as enabled: false.'),
  })
  .prefault({});

const envoy = z
  .strictObject({
    concurrency: z.int().min(1).max(512).optional().describe('Worker threads; absent for one a core.'),
    logLevel: z
      .enum(['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'])
      .default('warning')
      .describe('How much Envoy itself writes to standard error.'),
    drainTime: duration.prefault('10s').describe('How long open requests have to finish when Sluice stops or a listener is replaced.'),
    regexMaxProgramSize: z
      .int()
      .min(100)
      .max(1_000_000)
      .default(1_000)
      .describe('The largest RE2 program that a path, or a pattern of a policy, may compile to.'),
  })
  .prefault({});

const policy = z
  .strictObject({
    enabled: z
      .boolean()
      .default(false)
      .describe(
        'In a cluster: whether network policies are enforced, in the kernel of every node. An eBPF CNI that does so must be told not to.',
      ),
    enforcement: z
      .enum(['default', 'always', 'never'])
      .default('default')
      .describe('Which pods may do only what policies allow: those that a policy selects (default), all (always) or none (never).'),
    services: z
      .boolean()
      .default(true)
      .describe(
        'Whether Services are translated where clients ask for them, beside kube-proxy or without it. Else what leaves a pod is judged by the address of the Service, not of the pod behind it.',
      ),
    clusterName: z.string().min(1).default('default').describe('What policies call this cluster: io.cilium.k8s.policy.cluster.'),
    podNetworks: z
      .array(z.string().regex(/^[0-9a-fA-F.:]+\/\d{1,3}$/, 'must be a prefix such as 10.0.0.0/8'))
      .default([])
      .describe('Prefixes of pods that no Node tells of in spec.podCIDRs; an address of them that is no pod is never the world.'),
    labels: z
      .array(z.string().min(1))
      .default([])
      .describe("Which labels make up an identity, beyond the defaults: expressions of Cilium's option labels, such as !k8s:build."),
  })
  .prefault({});

const envoyConfig = z
  .strictObject({
    allow: z
      .array(z.string().regex(/^[\w.]+$/, 'must be the full name of a message, or of a field of one'))
      .default([])
      .describe(
        'What CiliumEnvoyConfigs may use of Envoy although it reaches beyond what policies judge: full names of messages (envoy.extensions.filters.http.lua.v3.Lua) and fields (envoy.config.listener.v3.Listener.address).',
      ),
    dryRun: z
      .boolean()
      .default(true)
      .describe('Whether an Envoy tries CiliumEnvoyConfigs before they are served, where Sluice has one at hand (run, validate).'),
    balancing: z
      .enum(['off', 'round_robin', 'least_request', 'random'])
      .default('round_robin')
      .describe(
        'How a backend is chosen for each request of a Service that asks for its requests to be balanced (annotation service.cilium.io/lb-l7) and does not say how; off: Services may not ask.',
      ),
  })
  .prefault({});

const flows = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether nodes remember what goes over them, for `sluice observe` and clients of Hubble.'),
    capacity: z
      .int()
      .min(1)
      .max(1_048_576)
      .default(4_096)
      .describe('How many flows a node remembers; the oldest is forgotten for a new one. Each takes 1 to 3 KiB of its agent.'),
    port: nodePort.describe(
      'In a cluster: the port of each node at which others may ask, over mutual TLS (Hubble has 4244); absent: flows are told on the node alone.',
    ),
    clients: z
      .array(clientId)
      .default(['spiffe://sluice.io/observer/*'])
      .describe('Who may ask there: ids of certificates that the authority of this cluster signed; /* at the end is for any name.'),
    requests: z
      .boolean()
      .default(true)
      .describe('Whether Envoys tell of each request and each connection that they pass on. What rules deny is told of in any case.'),
    export: flowExport,
  })
  .prefault({});

const metrics = z
  .strictObject({
    flows: z
      .array(z.string().min(1))
      .default([
        'flow:labelsContext=source_namespace,destination_namespace,traffic_direction',
        'drop:labelsContext=source_namespace,source_workload,destination_namespace,destination_workload,traffic_direction',
        'dns:labelsContext=source_namespace',
        'httpV2:labelsContext=source_namespace,source_workload,destination_namespace,destination_workload,traffic_direction',
        'policy:labelsContext=source_namespace,destination_namespace',
        'tcp',
        'port-distribution',
        'icmp',
      ])
      .describe(
        "Which of Hubble's metrics nodes keep of flows, each as Hubble has it: NAME, or NAME:OPTION=VALUE;OPTION=VALUE; none, where the list is empty.",
      ),
    maxSeries: z
      .int()
      .min(10)
      .max(1_000_000)
      .default(10_000)
      .describe(
        'The most series of one metric of flows, and the most Services that a node tells of; flows beyond are counted as of others.',
      ),
    clients: z
      .array(clientId)
      .default(['spiffe://sluice.io/observer/*'])
      .describe(
        'Who may ask controllers and nodes for metrics, where --metrics-address opens a port: ids of certificates that the authority of this cluster signed; /* at the end is for all below.',
      ),
  })
  .prefault({});

/** Sections that are read from the file alone, at a start: of nodes, of what must be the same in all processes, and of what only operators may say. */
export const FILE_SECTIONS = ['envoy', 'policy', 'envoyConfig', 'flows', 'metrics', 'tracing'] as const;

/** The whole of `sluice.yaml`. Every field has a default; an unknown field is an error. {@link brokenRules} tells what no field says alone. */
export const settingsSchema = z.strictObject({ http, ingress, upstream, envoy, policy, envoyConfig, flows, metrics, tracing });

export type Settings = z.output<typeof settingsSchema>;

export const DEFAULT_SETTINGS: Settings = settingsSchema.parse({});

/** What of the settings is in {@link FILE_SECTIONS}. */
export function fileSections({
  envoy,
  policy,
  envoyConfig,
  flows,
  metrics,
  tracing,
}: Settings): Pick<Settings, (typeof FILE_SECTIONS)[number]> {
  return { envoy, policy, envoyConfig, flows, metrics, tracing };
}

/** Whether Envoys are to tell of what they pass on. */
export function logsRequests({ flows: { enabled, requests } }: Pick<Settings, 'flows'>): boolean {
  return enabled && requests;
}
