import { type Collection, Graph, type OnFailure } from '../../collection/index.ts';
import { KnownResources, readEnvoyConfig } from '../../envoy-config/index.ts';
import { type ListenPorts, type Placement, STANDALONE } from '../../ingress-controller/index.ts';
import { type Action, type ObjectBatch, refOf } from '../../kube/index.ts';
import type { Certificate, Cluster, Diagnostic, EndpointSet, FieldRef, Listener, ObjectRef, VirtualHost } from '../../model/index.ts';
import type { NodeSelector, Settings } from '../../settings/index.ts';
import type { Outcome } from '../../xds-server/serve/outcome.ts';
import type { Removal, Resource, ResourceChange, ResourceName } from '../../xds-server/serve/resource.ts';
import { SLOT_TYPE } from '../../xds-server/serve/types.ts';
import type { IngressMarks } from '../../xds-server/translate/socket-options.ts';
import { CLUSTER, ENDPOINTS, LISTENER, SECRET } from '../../xds-server/translate/types.ts';
import type { EncodedVirtualHost } from '../../xds-server/translate/virtual-hosts.ts';
import type { Concluded } from '../dry-run/dry-run.ts';
import type { QuarantinedRoutes } from '../route-quarantine.ts';
import { type ActionStages, buildActions } from './actions.ts';
import { buildBalancedServices } from './balanced-services.ts';
import { type AgentNode, buildConfigStates, type ConfigState, type ConfigStateStages } from './config-states.ts';
import { buildEnvoyConfigs, type EnvoyConfigStages } from './envoy-configs.ts';
import { type ConfigTrial, type ConfigVerdict, EnvoyConfigsInForce } from './envoy-configs-in-force.ts';
import { Findings } from './findings.ts';
import { ALL } from './ingress-sites.ts';
import { createInputs, findInput, type Inputs, NOW, takeBatch } from './inputs.ts';
import { buildModel, type IngestedIngress, type ModelStages } from './model.ts';
import { buildNodeScope, NodeScopeInForce, type NodeScopeStages } from './node-scope.ts';
import { buildResources, type ResourceStage } from './resources.ts';
import { buildRouteResources, type QuarantinedHost, type RouteStages } from './route-resources.ts';
import { SettingsInForce, takeSettings } from './settings-in-force.ts';
import { diagnoseSettings } from './settings-status.ts';
import { buildTakenServices, type ListenerChange, ListenerChanges, type TakenServiceStages } from './taken-services.ts';

export interface PipelineOptions {
  /** Those of the file; an object may say otherwise. */
  readonly settings: Settings;
  readonly ports: ListenPorts;
  /** Where Ingresses are served, also by what the settings are at a time; by itself if absent. The namespace never changes. */
  readonly placement?: Placement | ((ingress: Settings['ingress']) => Placement);
  /** Of Envoys whose nodes enforce policies. Default: their sockets are those of any process. */
  readonly ingressMarks?: IngressMarks;
  /** What such Envoys' connections for pods have in their mark, where pods' Services are led to listeners. Default: they are not. */
  readonly clientMark?: number;
  /** The node that this serves, where it is the only one; CiliumEnvoyConfigs for others are left out. Default: others say what is whose. */
  readonly ownNode?: string;
  /** Whether Envoys tell of requests and connections. Default: they do not. */
  readonly logsRequests?: boolean;
  /** Whether what is read of configs now is served only once {@link Pipeline.concludeTrials} has said so. Default: never. */
  readonly triesConfigs?: () => boolean;
  /** The time that certificates are judged by; see {@link Pipeline.advance}. */
  readonly asOf: Date;
  /** Told when a computation throws, which is a mistake in the program; without it the exception leaves `apply`. */
  readonly onFailure?: OnFailure;
}

export interface PipelineTiming {
  readonly ingestMs: number;
  readonly translateMs: number;
}

/** Secrets by `namespace/name`. */
export interface SecretReferences {
  readonly needed: readonly string[];
  readonly dropped: readonly string[];
}

/** Nodes of the cluster, by name. */
export interface ServedNodes {
  /** Those that Ingresses are for. */
  readonly serving: 'all' | ReadonlySet<string>;
  /** Those whose labels are known. */
  readonly known: readonly string[];
}

/** The model as it is at present. */
export interface Model {
  readonly ingresses: Collection<IngestedIngress>;
  readonly listeners: Collection<Listener>;
  /** By table and host, with a space between. */
  readonly virtualHosts: Collection<VirtualHost>;
  readonly clusters: Collection<Cluster>;
  readonly endpointSets: Collection<EndpointSet>;
  readonly certificates: Collection<Certificate>;
  /** What has to be done to the cluster, by {@link actionKey}; nothing where this runs by itself. */
  readonly actions: Collection<Action>;
}

/**
 * Objects in, resources out; nothing else happens here. What a change does not touch is not computed again and keeps its
 * identity. The order in which objects arrive, and the files that they arrive in, make no difference to the outcome.
 */
export class Pipeline implements QuarantinedRoutes {
  readonly model: Model;
  readonly #graph: Graph;
  readonly #inputs: Inputs;
  readonly #settings: SettingsInForce;
  readonly #envoyConfigs: EnvoyConfigsInForce;
  readonly #routes: RouteStages;
  readonly #configs: EnvoyConfigStages;
  readonly #taken: TakenServiceStages;
  readonly #configStates: ConfigStateStages;
  readonly #secretReferences: Collection<readonly string[]>;
  readonly #nodes: ActionStages['nodes'];
  readonly #nodeScope: NodeScopeStages;
  readonly #scope = new NodeScopeInForce();
  readonly #placementOf: (ingress: Settings['ingress']) => Placement;
  #haveNodesChanged = true;
  readonly #stages: readonly ResourceStage[];
  readonly #findings = new Findings();
  readonly #changedActions = new Set<string>();
  /** Where this runs by itself, there are no statuses. */
  readonly #tellsConfigs: boolean;
  readonly #changedConfigs = new Set<string>();
  readonly #listenerChanges = new ListenerChanges();
  #timing: PipelineTiming = { ingestMs: 0, translateMs: 0 };

  constructor(options: PipelineOptions) {
    const {
      settings,
      ports,
      placement = STANDALONE,
      ingressMarks,
      clientMark,
      ownNode,
      triesConfigs,
      asOf,
      logsRequests = false,
      onFailure,
    } = options;
    this.#graph = new Graph(onFailure);
    this.#inputs = createInputs(this.#graph);
    this.#inputs.clock.set(NOW, asOf);
    this.#settings = new SettingsInForce(settings);
    this.#inputs.settings.set(NOW, settings);
    const placementOf = typeof placement === 'function' ? placement : () => placement;
    this.#placementOf = placementOf;
    this.#scope.take(this.#inputs, this.#selector, false);
    const marks = { ...(ingressMarks && { mark: ingressMarks.client }), ...(clientMark !== undefined && { clientMark }) };
    const tracing = settings.tracing.enabled ? settings.tracing : undefined;
    const reading = { ...settings.envoyConfig, known: new KnownResources(), ...marks, logsRequests, tracing };
    this.#envoyConfigs = new EnvoyConfigsInForce((object) => readEnvoyConfig(object, reading), triesConfigs);
    this.#graph.beginStage('ingest');
    const stages = buildModel(this.#graph, this.#inputs, { placementOf, ports });
    this.#nodeScope = buildNodeScope(this.#graph, this.#inputs);
    const { isServing } = this.#nodeScope;
    const actions = buildActions(this.#graph, this.#inputs, stages, { first: placementOf(settings.ingress), isServing });
    const balanced = buildBalancedServices(this.#graph, this.#inputs, reading);
    const verdicts = this.#graph.union<ConfigVerdict>('all configs', this.#inputs.envoyConfigs, balanced);
    this.#configs = buildEnvoyConfigs(this.#graph, this.#inputs, verdicts, { slicesOfServices: stages.slicesOfServices, ownNode });
    this.#taken = buildTakenServices(this.#graph, this.#inputs, this.#configs.standing);
    const first = placementOf(settings.ingress);
    const agents = first.kind === 'standalone' ? undefined : first.namespace;
    this.#tellsConfigs = agents !== undefined;
    this.#configStates = buildConfigStates(this.#graph, this.#inputs, { configs: this.#configs, taken: this.#taken }, agents);
    this.#secretReferences = this.#graph.union('secrets that are needed', stages.secretReferences, this.#configs.secretReferences);
    this.#nodes = actions.nodes;
    this.#graph.beginStage('translate');
    this.#routes = buildRouteResources(this.#graph, stages, this.#inputs.quarantine, ingressMarks !== undefined);
    this.#stages = buildResources(
      this.#graph,
      stages,
      { routes: this.#routes, configs: this.#configs },
      { marks: ingressMarks, logsRequests, tracing },
    );
    this.#graph.beginStage('ingest');
    this.model = modelOf(this.#graph, stages, actions);
    this.#observe(stages, actions, verdicts);
  }

  /** What the last change cost: objects to model, and model to encoded resources. Milliseconds. */
  get timing(): PipelineTiming {
    return this.#timing;
  }

  /** Which Secrets Ingresses of ours came to refer to by the last change, and which none refers to any more. */
  get secretReferences(): SecretReferences {
    const { needed = [], dropped = [] } = Object.groupBy(this.#secretReferences.changed, (name) =>
      this.#secretReferences.get(name) ? 'needed' : 'dropped',
    );
    return { needed, dropped };
  }

  /** What has become of each action that changed since this was asked last; undefined for one that is gone. */
  takeActions(): readonly (readonly [key: string, action: Action | undefined])[] {
    const changed = [...this.#changedActions].map((key) => [key, this.model.actions.get(key)] as const);
    this.#changedActions.clear();
    return changed;
  }

  /** What has changed of the listeners that Services are led to, and of which these are, since this was asked last. */
  takeListeners(): ListenerChange {
    return this.#listenerChanges.take(this.#taken, this.#inputs.services);
  }

  /** What has become of each config that changed since this was asked last; undefined for one that is gone. By the keys of their objects. */
  takeConfigStates(): readonly (readonly [key: string, state: ConfigState | undefined])[] {
    const changed = [...this.#changedConfigs].map((key) => [key, this.#configStates.states.get(key)] as const);
    this.#changedConfigs.clear();
    return changed;
  }

  /** What becomes of each config at present. */
  *configStates(): Generator<readonly [object: ObjectRef, state: ConfigState]> {
    for (const [key, { object }] of this.#inputs.envoyConfigs.entries()) {
      const state = this.#configStates.states.get(key);
      if (state) yield [refOf(object), state];
    }
  }

  /** The nodes that have an agent, sorted by name. */
  agentNodes(): readonly AgentNode[] {
    return this.#configStates.nodes.get(ALL) ?? [];
  }

  /** The nodes whose Envoy serves, by name; none where this runs by itself. */
  servingNodes(): ReadonlySet<string> {
    const { IPv4 = [], IPv6 = [] } = this.#nodes.get(ALL) ?? {};
    return new Set([...IPv4, ...IPv6].flatMap(({ nodeName, ready }) => (ready && nodeName !== undefined ? [nodeName] : [])));
  }

  /** Whether the labels of nodes make a difference. */
  get wantsNodes(): boolean {
    return this.#selector !== undefined;
  }

  /** Which nodes Ingresses are for; undefined where that is as it was when it was asked last. */
  takeNodes(): ServedNodes | undefined {
    if (!this.#haveNodesChanged) return undefined;
    this.#haveNodesChanged = false;
    const serving = this.#scope.isAll ? 'all' : new Set(this.#nodeScope.selected.keys());
    return { serving, known: [...this.#inputs.nodes.keys()] };
  }

  /** The nodes whose labels are not those that are asked for. */
  idleNodes(): readonly string[] {
    if (this.#scope.isAll) return [];
    return [...this.#inputs.nodes.keys()].filter((node) => !this.#nodeScope.selected.get(node)).sort();
  }

  /** Says which nodes are to serve and have not what they need yet, so that no requests are sent to them. */
  prepare(nodes: ReadonlySet<string>): ResourceChange {
    const { preparing } = this.#inputs;
    for (const node of preparing.keys()) if (!nodes.has(node)) preparing.delete(node);
    for (const node of nodes) preparing.set(node, true);
    return this.#settle();
  }

  /** The API server's name for an object that is read; undefined for one that is not there or comes from a file. */
  uidOf(ref: ObjectRef): string | undefined {
    return findInput(this.#inputs, ref)?.metadata.uid;
  }

  /**
   * Takes a batch in and says what it changed.
   * @param knowsNodes whether all Nodes are in this batch and those before
   */
  apply(batch: Pick<ObjectBatch, 'upserts' | 'removals'>, knowsNodes = true): ResourceChange {
    takeBatch(this.#inputs, batch);
    this.#envoyConfigs.take(this.#inputs, batch);
    takeSettings(this.#inputs, this.#settings, batch, new Date());
    this.#scope.take(this.#inputs, this.#selector, knowsNodes);
    return this.#settle();
  }

  /** Lets time pass: certificates may have become valid or expired. */
  advance(asOf: Date): ResourceChange {
    this.#inputs.clock.set(NOW, asOf);
    return this.#settle();
  }

  /**
   * Takes in what an Envoy makes of a resource.
   * @returns what is to be published for it: where a config is refused in part, what it was before; undefined for nothing
   */
  noteOutcome(outcome: Outcome): ResourceChange | undefined {
    const changed = this.#ownersOf(outcome).filter((config) => this.#envoyConfigs.note(this.#inputs, config, outcome));
    return changed.length > 0 ? this.#settle() : undefined;
  }

  #ownersOf(name: ResourceName): readonly ObjectRef[] {
    if (name.typeUrl !== SLOT_TYPE) return this.#configs.ownersOf(name);
    const listener = this.#taken.listeners.get(name.name);
    return listener ? [listener.source.object] : [];
  }

  /** Configs that came to be tried since this was asked last. */
  takeTrials(): readonly ConfigTrial[] {
    return this.#envoyConfigs.takeTrials();
  }

  /** Takes in what came of trials. */
  concludeTrials(concluded: readonly Concluded<ConfigTrial>[]): ResourceChange {
    this.#envoyConfigs.conclude(this.#inputs, concluded);
    return this.#settle();
  }

  /** All that is wrong with the objects at present, sorted. */
  diagnostics(): Diagnostic[] {
    return this.#findings.list();
  }

  /**
   * The resources that the listeners lead to, sorted by type in the order in which Envoy needs them, and by name. Changes
   * also hold those that only connections need which drain.
   */
  resources(): readonly Resource[] {
    return this.#stages.flatMap(({ resources }) =>
      [...resources.values()].filter((resource) => !this.isSpare(resource)).sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
  }

  /** Whether no listener leads to a resource, and it is there only for connections that drain or tables that grow. */
  isSpare(name: ResourceName): boolean {
    return this.#routes.isSpare(name);
  }

  /** The fields that a resource was made of; of routes, see {@link virtualHostSources}. */
  sourcesOf(resource: ResourceName): readonly FieldRef[] {
    return [...this.#configs.sourcesOf(resource), ...this.#sourcesInModel(resource)];
  }

  #sourcesInModel({ typeUrl, name }: ResourceName): readonly FieldRef[] {
    const { listeners, clusters, endpointSets, certificates } = this.model;
    switch (typeUrl) {
      case LISTENER: {
        const listener = listeners.get(name);
        return listener ? [...listener.sources, ...listener.tlsChains.flatMap(({ sources }) => sources)] : [];
      }
      case CLUSTER:
        return clusters.get(name)?.sources ?? [];
      case ENDPOINTS:
        return endpointSets.get(name)?.sources ?? [];
      case SECRET:
        return certificates.get(name)?.sources ?? [];
      default:
        return [];
    }
  }

  routeShard(name: string): { readonly version: string; readonly hosts: readonly EncodedVirtualHost[] } | undefined {
    const shard = this.#routes.shards.get(name);
    return shard && { version: shard.resource.version, hosts: shard.hosts };
  }

  virtualHostVersion(key: string): string | undefined {
    return this.#routes.encodedHosts.get(key)?.version;
  }

  virtualHostSources(key: string): readonly FieldRef[] {
    return this.model.virtualHosts.get(key)?.sources ?? [];
  }

  quarantine(hosts: ReadonlyMap<string, QuarantinedHost | undefined>): ResourceChange {
    for (const [key, host] of hosts) {
      if (host) this.#inputs.quarantine.set(key, host);
      else this.#inputs.quarantine.delete(key);
    }
    return this.#settle();
  }

  get #selector(): NodeSelector | undefined {
    const { ingress } = this.#settings.current;
    return this.#placementOf(ingress).kind === 'standalone' ? undefined : ingress.nodes;
  }

  #settle(): ResourceChange {
    const stopwatch = new Stopwatch();
    this.#graph.settle((stage) => stopwatch.enter(stage));
    this.#timing = { ingestMs: stopwatch.total('ingest'), translateMs: stopwatch.total('translate') };
    this.#findings.refresh();
    for (const key of this.model.actions.changed) this.#changedActions.add(key);
    if (this.#tellsConfigs) for (const key of this.#configStates.states.changed) this.#changedConfigs.add(key);
    this.#listenerChanges.note(this.#taken);
    const { selected } = this.#nodeScope;
    if (selected.changed.size + this.#inputs.nodeScope.changed.size + this.#inputs.nodes.changed.size > 0) this.#haveNodesChanged = true;
    const upserts: Resource[] = [];
    const removals: Removal[] = [];
    for (const { typeUrl, resources, ofConfigs } of this.#stages) {
      for (const name of resources.changed) {
        const resource = resources.get(name);
        if (resource) upserts.push(resource);
        else removals.push({ typeUrl, name, ...(ofConfigs?.changed.has(name) && { isLate: true }) });
      }
    }
    return { upserts, removals };
  }

  #observe(stages: ModelStages, { outcomes }: ActionStages, configs: Collection<ConfigVerdict>): void {
    this.#findings.add(this.#inputs.verdicts, diagnoseSettings);
    this.#findings.add(outcomes, ({ diagnostics }) => diagnostics);
    this.#findings.add(configs, ({ diagnostics }) => diagnostics);
    this.#findings.add(this.#configs.diagnostics, (diagnostics) => diagnostics);
    this.#findings.add(this.#taken.diagnostics, (diagnostics) => diagnostics);
    this.#findings.add(stages.ingresses, ({ diagnostics }) => diagnostics);
    this.#findings.add(stages.virtualHosts, ({ diagnostics }) => diagnostics);
    this.#findings.add(stages.tls, ({ diagnostics }) => diagnostics);
    this.#findings.add(stages.clusters, ({ diagnostics }) => diagnostics);
    this.#findings.add(stages.endpointSets, ({ diagnostics }) => diagnostics);
    this.#findings.add(stages.certificates, ({ diagnostics }) => diagnostics);
  }
}

function modelOf(graph: Graph, stages: ModelStages, { actions }: ActionStages): Model {
  return {
    actions,
    ingresses: stages.ingresses,
    listeners: stages.listeners,
    virtualHosts: graph.derive('virtual host models', stages.virtualHosts, ({ virtualHost }) => virtualHost),
    clusters: graph.derive('cluster models', stages.clusters, ({ cluster }) => cluster),
    endpointSets: graph.derive('endpoint set models', stages.endpointSets, ({ endpoints }) => endpoints),
    certificates: graph.derive('certificate models', stages.certificates, (state) =>
      state.state === 'usable' ? state.certificate : undefined,
    ),
  };
}

/** Adds up the time between entering a stage and entering the next, or asking. */
class Stopwatch {
  readonly #totals = new Map<string, number>();
  #current = '';
  #since = performance.now();

  enter(stage: string): void {
    const now = performance.now();
    this.#totals.set(this.#current, this.total(this.#current, now));
    this.#current = stage;
    this.#since = now;
  }

  total(stage: string, now = performance.now()): number {
    return (this.#totals.get(stage) ?? 0) + (stage === this.#current ? now - this.#since : 0);
  }
}
