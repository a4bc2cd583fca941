import { type FileRegistry, isMessage, toBinary } from '@bufbuild/protobuf';
import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { type CiliumEnvoyConfig, type CiliumEnvoyConfigSpec, ciliumEnvoyConfigSpec, readSpec, refOf } from '../kube/index.ts';
import type { Diagnostic, Tracing } from '../model/index.ts';
import { resourceOf } from '../xds-server/translate/encode.ts';
import { withRequestLogs } from '../xds-server/translate/request-logs.ts';
import { type ClientHandling, readClientHandling } from './annotations.ts';
import { AsAsked } from './as-asked.ts';
import { beginsTlsItself } from './begun-tls.ts';
import type { ConfigResource, EnvoyConfig } from './envoy-config.ts';
import { completeCluster } from './fill-in.ts';
import { tellUnknownFilters } from './filter-names.ts';
import type { KnownResources } from './known-resources.ts';
import { type NamedResource, nameResources } from './name-resources.ts';
import { type ReadResource, readResource } from './read-resource.ts';
import { Report } from './report.ts';
import { completeRetries } from './retries.ts';
import { backendsOf, DEFAULT_NAMESPACE } from './service-endpoints.ts';
import { isUnaddressed, serviceListeners } from './service-listeners.ts';
import { traced } from './traced.ts';
import { tellUnaskedTls } from './unasked-tls.ts';

export interface EnvoyConfigOptions {
  /** What operators let configs use beyond what policies judge: names of Envoy's messages and of their fields. */
  readonly allow: readonly string[];
  /** What connections to backends have in their mark where policies are enforced. */
  readonly mark?: number;
  /** The same of those for clients, with whose address they are opened. Absent: no Services are led to listeners. */
  readonly clientMark?: number;
  /** Whether endpoints of Services are, on each node, those that the Service keeps clients of the node with. Default: all. */
  readonly forNodes?: boolean;
  /** Whether listeners tell of requests and connections, beside all that their owners have them log. */
  readonly logsRequests?: boolean;
  /** What their listeners tell of requests, if their owners say nothing of that. Default: nothing. */
  readonly tracing?: Tracing | undefined;
  /** Resources that were read before with the same `allow`. */
  readonly known?: KnownResources;
}

export interface EnvoyConfigReading {
  /** What a config comes to; absent where something is wrong with it. */
  readonly config?: EnvoyConfig;
  readonly diagnostics: readonly Diagnostic[];
}

interface Assembling extends EnvoyConfigOptions, ClientHandling {}

/** Reads a config by itself, without what is around it. One that is wrong in anything comes to nothing, and all that is wrong is told. */
export function readEnvoyConfig(object: CiliumEnvoyConfig, options: EnvoyConfigOptions): EnvoyConfigReading {
  const report = new Report(refOf(object));
  const reading = readSpec(ciliumEnvoyConfigSpec, object.spec ?? {});
  if (reading.result === 'invalid') {
    for (const { path, message } of reading.problems) report.add(['spec', ...path], 'InvalidEnvoyConfig', message);
    return { diagnostics: report.diagnostics };
  }
  const config = assemble(reading.spec, { ...options, ...readClientHandling(object, report) }, report);
  const { diagnostics } = report;
  return diagnostics.some(({ severity }) => severity === 'error') ? { diagnostics } : { config, diagnostics };
}

function assemble(spec: CiliumEnvoyConfigSpec, options: Assembling, report: Report): EnvoyConfig {
  const registry: FileRegistry = envoyRegistry();
  const { namespace } = report.object;
  const backends = backendsOf(spec, namespace || DEFAULT_NAMESPACE);
  for (const backend of backends) checkNamespace(backend.namespace, backend.path, report);
  const reading = { registry, allow: new Set(options.allow), known: options.known };
  const read = spec.resources.flatMap((json, index) => readResource(json, ['spec', 'resources', index], reading, report) ?? []);
  // Where one cannot be read, nobody knows what it is that others name.
  const isWhole = read.length === spec.resources.length;
  const { resources, endpointSets, secrets } = nameResources(
    read,
    { registry, backends, isWhole, forNodes: options.forNodes ?? false },
    report,
  );
  if (options.mark !== undefined) for (const { read } of resources) if (hasRoutes(read)) completeRetries(read.message, registry);
  const asAsked = new AsAsked(resources);
  const led = serviceListeners(
    { resources, isWhole, services: spec.services, marks: options, asIsAsked: asAsked.listener, tracing: options.tracing },
    report,
  );
  const ledNames = new Set(led.listeners.map(({ name }) => name));
  tellUnaskedTls({ resources, led: ledNames, handling: options, registry }, report);
  if (isWhole) tellUnknownFilters(resources, registry, report);
  const encoded = resources.flatMap((resource) => encodeNamed(resource, options, report));
  return {
    object: report.object,
    resources: [...encoded, ...asAsked.routes(report)].sort(bySort),
    ...led,
    endpointSets,
    secrets,
    ...(spec.nodeSelector && { nodeSelector: spec.nodeSelector }),
  };
}

function hasRoutes({ kind }: ReadResource): boolean {
  return kind === 'listener' || kind === 'route-configuration';
}

/** What is in one namespace takes nothing of another's. */
function checkNamespace(wanted: string, path: readonly (string | number)[], report: Report): void {
  const { namespace } = report.object;
  if (namespace === '' || wanted === namespace) return;
  report.add(
    [...path, 'namespace'],
    'NotOfNamespace',
    `is ${JSON.stringify(wanted)}: only a CiliumClusterwideEnvoyConfig may name Services of other namespaces`,
  );
}

/** Nothing of a listener without an address, which is a node's to make. */
function encodeNamed({ read, name, requires }: NamedResource, options: EnvoyConfigOptions, report: Report): ConfigResource[] {
  const { mark, clientMark, logsRequests, tracing } = options;
  const { message, desc } = read.message;
  if (isMessage(message, ClusterSchema)) completeCluster(message, mark, clientMark !== undefined && beginsTlsItself(message));
  if (isMessage(message, ListenerSchema) && isUnaddressed(message)) return [];
  const source = { object: report.object, path: read.pathOf(undefined) };
  if (isMessage(message, ListenerSchema)) {
    const own = traced(message, requires, tracing);
    const told = logsRequests ? withRequestLogs(own.listener) : own.listener;
    return [{ resource: resourceOf(desc, name, toBinary(ListenerSchema, told), own.requires), source }];
  }
  return [{ resource: resourceOf(desc, name, toBinary(desc, message), requires), source }];
}

function bySort({ resource: a }: ConfigResource, { resource: b }: ConfigResource): number {
  return `${a.typeUrl} ${a.name}` < `${b.typeUrl} ${b.name}` ? -1 : 1;
}
