import { type FileRegistry, isMessage, toBinary } from '@bufbuild/protobuf';
import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { type Listener, ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { type CiliumEnvoyConfig, type CiliumEnvoyConfigSpec, ciliumEnvoyConfigSpec, readSpec, refOf } from '../kube/index.ts';
import type { Diagnostic } from '../model/index.ts';
import { resourceOf } from '../xds-server/translate/encode.ts';
import type { ConfigResource, EnvoyConfig, TakenService } from './envoy-config.ts';
import { completeCluster } from './fill-in.ts';
import { type NamedResource, nameResources } from './name-resources.ts';
import { readResource } from './read-resource.ts';
import { Report } from './report.ts';
import { backendsOf } from './service-endpoints.ts';

export interface EnvoyConfigOptions {
  /** What operators let configs use beyond what policies judge: names of Envoy's messages and of their fields. */
  readonly allow: readonly string[];
  /** What connections to backends have in their mark where policies are enforced. */
  readonly mark?: number;
}

export interface EnvoyConfigReading {
  /** What a config comes to; absent where something is wrong with it. */
  readonly config?: EnvoyConfig;
  readonly diagnostics: readonly Diagnostic[];
}

/** Where a config of no namespace names none. */
const DEFAULT_NAMESPACE = 'default';

/** Reads a config by itself, without what is around it. One that is wrong in anything comes to nothing, and all that is wrong is told. */
export function readEnvoyConfig(object: CiliumEnvoyConfig, options: EnvoyConfigOptions): EnvoyConfigReading {
  const report = new Report(refOf(object));
  const reading = readSpec(ciliumEnvoyConfigSpec, object.spec ?? {});
  if (reading.result === 'invalid') {
    for (const { path, message } of reading.problems) report.add(['spec', ...path], 'InvalidEnvoyConfig', message);
    return { diagnostics: report.diagnostics };
  }
  const config = assemble(reading.spec, options, report);
  const { diagnostics } = report;
  return diagnostics.some(({ severity }) => severity === 'error') ? { diagnostics } : { config, diagnostics };
}

function assemble(spec: CiliumEnvoyConfigSpec, { allow, mark }: EnvoyConfigOptions, report: Report): EnvoyConfig {
  const registry: FileRegistry = envoyRegistry();
  const { namespace } = report.object;
  const backends = backendsOf(spec, namespace || DEFAULT_NAMESPACE);
  for (const backend of backends) checkNamespace(backend.namespace, backend.path, report);
  const reading = { registry, allow: new Set(allow) };
  const read = spec.resources.flatMap((json, index) => readResource(json, ['spec', 'resources', index], reading, report) ?? []);
  // Where one cannot be read, nobody knows what it is that others name.
  const isWhole = read.length === spec.resources.length;
  const { resources, endpointSets, secrets } = nameResources(read, { registry, backends, isWhole }, report);
  return {
    object: report.object,
    resources: resources.flatMap((resource) => encodeNamed(resource, mark, report)).sort(bySort),
    endpointSets,
    secrets,
    services: takenServices(spec, { resources, isWhole }, report),
    ...(spec.nodeSelector && { nodeSelector: spec.nodeSelector }),
  };
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

function encodeNamed({ read, name, requires }: NamedResource, mark: number | undefined, report: Report): ConfigResource[] {
  const { message, desc } = read.message;
  const path = read.pathOf(undefined);
  if (isMessage(message, ClusterSchema)) completeCluster(message, mark);
  if (isMessage(message, ListenerSchema) && isUnaddressed(message)) {
    report.add(path, 'ListenerWithoutAddress', 'has no address, and no Service is led to it yet; it is left out');
    return [];
  }
  return [{ resource: resourceOf(desc, name, toBinary(desc, message), requires), source: { object: report.object, path } }];
}

function isUnaddressed({ address, listenerSpecifier }: Listener): boolean {
  return address === undefined && listenerSpecifier.case !== 'internalListener';
}

function bySort({ resource: a }: ConfigResource, { resource: b }: ConfigResource): number {
  return `${a.typeUrl} ${a.name}` < `${b.typeUrl} ${b.name}` ? -1 : 1;
}

/** Where no listener is named, the first is meant. */
function takenServices(
  { services }: CiliumEnvoyConfigSpec,
  { resources, isWhole }: { readonly resources: readonly NamedResource[]; readonly isWhole: boolean },
  report: Report,
): readonly TakenService[] {
  const listeners = resources.filter(({ read }) => read.kind === 'listener');
  return services.flatMap(({ name, namespace, ports, listener }, index) => {
    const path = ['spec', 'services', index];
    const found = listener === undefined ? listeners[0] : listeners.find(({ read }) => read.name === listener);
    const taken = { namespace: namespace ?? (report.object.namespace || DEFAULT_NAMESPACE), name, ports, path };
    if (found) return [{ ...taken, listener: found.name }];
    if (!isWhole) return [];
    if (listener === undefined) report.add(path, 'ReferenceNotFound', 'needs a listener, and the object has none');
    else
      report.add(
        [...path, 'listener'],
        'ReferenceNotFound',
        `names the listener ${JSON.stringify(listener)}, which the object does not have`,
      );
    return [];
  });
}
