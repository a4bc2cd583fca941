import type { Collection, Graph } from '../../collection/index.ts';
import { type ConfigResource, slotOfListener } from '../../envoy-config/index.ts';
import { NODES_SERVICE, SERVICE_NAME_LABEL } from '../../ingress-controller/index.ts';
import type { CiliumEnvoyConfig, LabelSelectorSpec } from '../../kube/index.ts';
import { type Diagnostic, type FieldRef, objectKey } from '../../model/index.ts';
import type { ResourceName } from '../../xds-server/serve/resource.ts';
import { CLUSTER, LISTENER, ROUTES } from '../../xds-server/translate/types.ts';
import { serviceSlot } from '../enforcement/service-slots.ts';
import { type ConfigInForce, type EnvoyConfigStages, resourceKey } from './envoy-configs.ts';
import type { GoodVersion } from './envoy-configs-in-force.ts';
import { ALL } from './ingress-sites.ts';
import type { Inputs } from './inputs.ts';
import type { TakenServiceStages } from './taken-services.ts';

/** All that a config is to be told of itself, as far as that does not depend on what nodes make of it. */
export interface ConfigState {
  readonly uid?: string;
  readonly generation?: number;
  /** All that is wrong with it, and around it. */
  readonly diagnostics: readonly Diagnostic[];
  /** The version that is in force, its own or one from before; absent where none is. */
  readonly good?: GoodVersion;
  /** What nodes are to have of that; nothing where none of its listeners is served. */
  readonly wanted: readonly WantedResource[];
  /** Which nodes; absent for all. */
  readonly nodeSelector?: LabelSelectorSpec;
}

/** A node that has an agent, whether or not it is ready. */
export interface AgentNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What the nodes that a config is for are to have. */
export interface WantedResource extends ResourceName {
  readonly version: string;
  /** As Envoy's resources are called, also where nodes call it otherwise. */
  readonly qualifiedName: string;
  readonly source: FieldRef;
}

export interface ConfigStateStages {
  /** By the keys of their objects. */
  readonly states: Collection<ConfigState>;
  /** Sorted by name, at the key {@link ALL}. */
  readonly nodes: Collection<readonly AgentNode[]>;
}

/** @param namespace that agents run in; undefined where there are none */
export function buildConfigStates(
  graph: Graph,
  inputs: Pick<Inputs, 'envoyConfigs' | 'endpointSlices' | 'nodes'>,
  { configs, taken }: { readonly configs: EnvoyConfigStages; readonly taken: TakenServiceStages },
  namespace: string | undefined,
): ConfigStateStages {
  const byConfig = (diagnostics: readonly Diagnostic[]) =>
    diagnostics.flatMap((each): [string, Diagnostic][] => (each.object ? [[objectKey(each.object), each]] : []));
  const around = graph.group('what is wrong around configs', configs.diagnostics, byConfig);
  const ofServices = graph.group('what is wrong with Services of configs', taken.diagnostics, byConfig);
  const led = graph.group('slots that Services are led to', taken.takers, (takers) =>
    takers.map(([, slot]): [string, true] => [slot, true]),
  );
  const wanted = graph.derive('what nodes are to have of configs', configs.standing, ({ config }, _key, read) =>
    wantedOf(config, { isLed: (slot) => read(led, slot) !== undefined, resource: (name) => read(configs.resources, resourceKey(name)) }),
  );
  const states = graph.derive(
    'states of configs',
    inputs.envoyConfigs,
    ({ object, inForce, diagnostics, good }, key, read): ConfigState => {
      const stands = read(wanted, key);
      const { uid, generation } = object.metadata;
      return {
        ...identityOf({ uid, generation }),
        diagnostics: [...diagnostics, ...(read(around, key) ?? []), ...(read(ofServices, key) ?? [])],
        ...(stands && good && { good }),
        wanted: stands ?? [],
        ...(stands && inForce?.nodeSelector && { nodeSelector: inForce.nodeSelector }),
      };
    },
  );
  const slices = graph.group('all slices of agents', inputs.endpointSlices, ({ metadata, endpoints }) =>
    metadata.namespace === namespace && metadata.labels[SERVICE_NAME_LABEL] === NODES_SERVICE
      ? endpoints.flatMap(({ nodeName }): [string, string][] => (nodeName === undefined ? [] : [[ALL, nodeName]]))
      : [],
  );
  const nodes = graph.derive('nodes with an agent', slices, (names, _key, read): readonly AgentNode[] =>
    [...new Set(names)].sort().map((name) => ({ name, labels: read(inputs.nodes, name)?.metadata.labels ?? {} })),
  );
  return { states, nodes };
}

function identityOf({ uid, generation }: Partial<CiliumEnvoyConfig['metadata']>): Pick<ConfigState, 'uid' | 'generation'> {
  return { ...(uid !== undefined && { uid }), ...(generation !== undefined && { generation }) };
}

const IS_COUNTED: ReadonlySet<string> = new Set([LISTENER, ROUTES, CLUSTER]);

interface Surroundings {
  readonly isLed: (slot: string) => boolean;
  /** One of any config. */
  readonly resource: (name: ResourceName) => ConfigResource | undefined;
}

/**
 * The listeners that are served, and all resources of configs that these require: what nothing leads to nodes need not have. Sorted.
 * Endpoints and secrets are none of it, since these change without the config.
 */
function wantedOf({ resources, listeners }: ConfigInForce['config'], { isLed, resource }: Surroundings): readonly WantedResource[] {
  const found = new Map<string, WantedResource>();
  const open: ResourceName[] = resources.map((each) => each.resource).filter(({ typeUrl }) => typeUrl === LISTENER);
  for (const listener of listeners) {
    const slot = slotOfListener(listener.name);
    if (!isLed(slot)) continue;
    const { typeUrl, name, version } = serviceSlot({ slot, listener });
    found.set(resourceKey({ typeUrl, name }), { typeUrl, name, version, qualifiedName: listener.name, source: listener.source });
    open.push(...listener.requires);
  }
  for (let next = open.pop(); next; next = open.pop()) {
    const key = resourceKey(next);
    const required = found.has(key) ? undefined : resource(next);
    if (!required || !IS_COUNTED.has(next.typeUrl)) continue;
    const { typeUrl, name, version, requires } = required.resource;
    found.set(key, { typeUrl, name, version, qualifiedName: name, source: required.source });
    open.push(...requires);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}
