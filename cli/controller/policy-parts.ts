import type { ServedSide } from '../../agent/index.ts';
import type { Metrics } from '../../controller/admin/metrics.ts';
import { Enforcement } from '../../controller/enforcement/enforcement.ts';
import { requirementsOfSlot } from '../../controller/enforcement/slots.ts';
import { IdentityRegistry } from '../../controller/identities/identity-registry.ts';
import type { ListenerChange } from '../../controller/pipeline/taken-services.ts';
import type { Action, ObjectBatch, ObjectSource, SluiceIdentity } from '../../kube/index.ts';
import type { SlotOptions } from '../../l7-filters/envoy/index.ts';
import { type Diagnostic, type ObjectRef, objectKey } from '../../model/index.ts';
import { PolicyEngine } from '../../policy/index.ts';
import { logsRequests, type Settings } from '../../settings/index.ts';
import {
  CLUSTER_TYPE,
  CONFIG_SCOPE_TYPE,
  ENDPOINTS_TYPE,
  EXTENSION_CONFIG_TYPE,
  enforcementViews,
  type Lead,
  LedViews,
  LISTENER_TYPE,
  NODE_METHODS,
  NodeReports,
  type Outcome,
  REPORT_METHODS,
  type Resource,
  type ResourceChange,
  type ResourceName,
  ROUTES_TYPE,
  RootsView,
  type RpcServer,
  rootsOfNode,
  SECRET_TYPE,
  SLOT_TYPE,
  SnapshotCache,
  type Views,
  XdsServer,
} from '../../xds-server/serve/index.ts';
import { ChangeListeners, type TakenChange } from '../control/change-listener.ts';
import { ChangeMetrics } from '../control/change-metrics.ts';
import { SplitSource } from './split-source.ts';

export interface PolicyPartsOptions {
  readonly settings: Settings;
  /** Where nodes connect to. */
  readonly rpc: RpcServer;
  /** Whether namespaces without an object are there all the same, as in manifests. Default: false. */
  readonly impliesNamespaces?: boolean;
  /** That Sluice runs in. Default: that of `PolicyEngineOptions`. */
  readonly ownNamespace?: string;
  /** By which nodes reach controllers, see `EnforcementOptions`. */
  readonly controllerService?: Pick<ObjectRef, 'namespace' | 'name'>;
  /** Publishes what Envoys need for slots. */
  readonly publish: (change: ResourceChange) => void;
  /** Told of batches that came to something for Envoys, right after that was published. */
  readonly onPublished?: (taken: Omit<TakenChange, 'revision'>) => void;
  /** What is published to Envoys. */
  readonly publishedVersion: (name: ResourceName) => string | undefined;
  /** Whether something that is no resource has to happen before a node may be told of one. Default: never. */
  readonly isHeld?: (resource: Resource) => boolean;
  /** Told when a node has put in force everything up to a revision. */
  readonly onSynced?: (nodeId: string, revision: number) => void;
  /** Told when what is wrong, or what is to be written, may have changed. */
  readonly onChange: () => void;
}

/** How often it is looked for numbers that nothing has borne for long. */
const TICK_MS = 60_000;

/** From policies, pods and nodes to what agents enforce. */
export class PolicyParts {
  /** Of nodes, at the address that it shares. */
  readonly server: XdsServer;
  /** Told what becomes of changes of what nodes enforce. */
  readonly changes = new ChangeListeners();
  readonly #options: PolicyPartsOptions;
  readonly #cache = new SnapshotCache();
  readonly #registry = new IdentityRegistry({ now: () => performance.now() });
  readonly #enforcement: Enforcement;
  readonly #timer: NodeJS.Timeout;
  readonly #reports: NodeReports;
  #metrics: Metrics | undefined;
  /** For Envoys, while a batch is taken in. */
  #published: ResourceChange[] | undefined;
  #source: SplitSource | undefined;
  /** Keys of the actions that were told of and not taken back. */
  #told: ReadonlySet<string> = new Set();

  constructor(options: PolicyPartsOptions) {
    this.#options = options;
    const { enforcement, services, clusterName, podNetworks, labels } = options.settings.policy;
    const engine = new PolicyEngine({
      allocator: this.#registry,
      enforcement,
      cluster: clusterName,
      podNetworks,
      labelFilter: labels,
      impliesNamespaces: options.impliesNamespaces ?? false,
      regexMaxProgramSize: options.settings.envoy.regexMaxProgramSize,
      ...(options.ownNamespace !== undefined && { ownNamespace: options.ownNamespace }),
    });
    this.#enforcement = new Enforcement({
      engine,
      registry: this.#registry,
      cache: this.#cache,
      slots: slotOptions(options.settings),
      publish: (change) => this.#publish(change),
      publishedVersion: options.publishedVersion,
      services,
      ...(options.controllerService && { controllerService: options.controllerService }),
      podNetworks,
    });
    const views = enforcementViews(this.#cache);
    const { rpc, isHeld } = options;
    this.server = new XdsServer({
      cache: this.#cache,
      views,
      methods: NODE_METHODS,
      rpc,
      ...(isHeld && { isHeld }),
      onSynced: (nodeId, revision) => {
        this.changes.synced(nodeId, revision);
        options.onSynced?.(nodeId, revision);
      },
      onLeft: (nodeId) => this.changes.left(nodeId),
      onOutcome: (outcome) => this.#metrics?.noteOutcome(outcome),
    });
    this.#reports = new NodeReports({ rpc, onReport: (node, refused) => this.noteRefused(node, refused) });
    rpc.add(REPORT_METHODS, this.#reports);
    this.#timer = setInterval(() => options.onChange(), TICK_MS);
    this.#timer.unref();
  }

  /** The source, of which this takes its part first. */
  split(source: ObjectSource): ObjectSource {
    this.#source = new SplitSource(source, {
      take: (batch) => {
        this.take(batch, batch.timing);
        return this.#enforcement.takeSecretNeeds();
      },
      settleSecrets: () => this.#enforcement.settleSecrets(),
    });
    return this.#source;
  }

  /** Has it measured from now on what nodes are served and make of it. */
  measure(metrics: Metrics): void {
    this.#metrics = metrics;
    const ofType = (typeUrl: string) => [...this.#cache.ofType(typeUrl).values()].map(({ resource }) => resource);
    metrics.alsoServes(() => [...this.#cache.typeUrls()].flatMap(ofType));
    this.changes.add(new ChangeMetrics({ metrics, changesFor: 'enforcers', connected: () => this.server.listening() }));
  }

  /** How many objects there are of those that are for policies alone, by kind. */
  countObjects(): Readonly<Record<string, number>> {
    return this.#source?.countObjects() ?? {};
  }

  /** Takes over numbers that were given before, which makes no difference to anybody yet. */
  restoreNumbers(objects: Iterable<SluiceIdentity>): void {
    for (const object of objects) this.#registry.put(object);
  }

  /**
   * Takes in objects, also such as do not come from the source.
   * @param timing of those that do
   */
  take({ upserts, removals }: Pick<ObjectBatch, 'upserts' | 'removals'>, timing = { seenAt: performance.now(), readMs: 0 }): void {
    const published: ResourceChange[] = [];
    this.#published = published;
    const { change, revision, timing: taken } = this.#enforcement.take({ upserts, removals });
    this.#published = undefined;
    const about = { batch: { upserts, removals, timing }, timing: { ...taken, readMs: timing.readMs } };
    this.changes.changed({ ...about, change, revision });
    if (published.length > 0) this.#options.onPublished?.({ ...about, change: together(published) });
    this.#options.onChange();
  }

  /** Takes in what has changed of listeners that Services are led to. */
  takeListeners(change: ListenerChange): void {
    this.#enforcement.takeListeners(change);
  }

  /** What enforcers are served, where the node is this one. */
  get side(): ServedSide {
    return { cache: this.#cache, server: this.server, setOwn: (change) => this.#cache.apply(change) };
  }

  /** What nodes' Envoys see: beside what they serve, what they need for the slots of the policies of their nodes, and CiliumEnvoyConfigs. */
  extendViews(base: Views, cache: SnapshotCache): Views {
    return new LedViews({
      cache,
      base,
      whole: isOfIngresses,
      leadOf: (name) => new RootsView(this.#cache, rootsOfNode(name)),
      leads: new Map<string, Lead>([
        [SLOT_TYPE, ({ resource }) => requirementsOfSlot(resource)],
        [CONFIG_SCOPE_TYPE, this.#enforcement.configResources],
      ]),
    });
  }

  diagnostics(): readonly Diagnostic[] {
    return this.#enforcement.diagnostics();
  }

  uidOf(ref: ObjectRef): string | undefined {
    return this.#enforcement.uidOf(ref);
  }

  /** What has become of each action since this was asked last; undefined for one that is gone. */
  takeActions(): readonly (readonly [key: string, action: Action | undefined])[] {
    const present = new Map<string, Action>(this.#registry.actions().map((action) => [`${action.kind}:${objectKey(action.ref)}`, action]));
    const gone = [...this.#told].filter((key) => !present.has(key));
    this.#told = new Set(present.keys());
    return [...present, ...gone.map((key) => [key, undefined] as const), ...this.#enforcement.statuses.takeActions()];
  }

  /** Policies of these kinds, and no others, are told in their statuses what becomes of them. */
  setStatusKinds(kinds: ReadonlySet<string>): void {
    this.#enforcement.statuses.setKinds(kinds);
    this.#options.onChange();
  }

  /**
   * To be told of what Envoys make of resources.
   * @returns whether this tells what is wrong of it, so that nobody else need do so
   */
  noteOutcome(outcome: Outcome): boolean {
    const before = this.#enforcement.hasRefusals;
    if (!this.#enforcement.noteOutcome(outcome)) return false;
    if (before || this.#enforcement.hasRefusals) this.#options.onChange();
    return true;
  }

  /** Whoever leads is told by agents what their Envoys refuse, and writes it into statuses. */
  setLeading(isLeading: boolean): void {
    this.#reports.take(isLeading);
  }

  /** Takes in what of slots the Envoy of a node refuses, in its words, as agents tell it. */
  noteRefused(node: string, refused: ReadonlyMap<string, string>): void {
    this.#enforcement.noteRefused(node, refused);
    this.#options.onChange();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#enforcement.close();
  }

  #publish(change: ResourceChange): void {
    this.#published?.push(change);
    this.#options.publish(change);
  }
}

function together(changes: readonly ResourceChange[]): ResourceChange {
  return { upserts: changes.flatMap(({ upserts }) => upserts), removals: changes.flatMap(({ removals }) => removals) };
}

/** The most slashes that names have of what serves Ingresses, by type. Names of configs' resources have more. */
const SLASHES: ReadonlyMap<string, number> = new Map([
  [LISTENER_TYPE, 0],
  [CLUSTER_TYPE, 0],
  // Shards of tables.
  [ROUTES_TYPE, 1],
]);
/** What nodes see only where something leads to it: Ingresses and configs have it of the same Services and Secrets, or slots of policies have it. */
const REQUIRED: ReadonlySet<string> = new Set([ENDPOINTS_TYPE, SECRET_TYPE, EXTENSION_CONFIG_TYPE]);

/** Whether those have a resource, whatever requires it, who serve Ingresses. */
function isOfIngresses({ typeUrl, name }: ResourceName): boolean {
  if (REQUIRED.has(typeUrl)) return false;
  const most = SLASHES.get(typeUrl);
  return most === undefined || name.split('/').length - 1 <= most;
}

function slotOptions(settings: Settings): SlotOptions {
  const { http, envoy, tracing } = settings;
  const { streamIdleTimeout, pathNormalization, headersWithUnderscores } = http;
  return {
    http: { streamIdleTimeoutMs: streamIdleTimeout, pathNormalization, headersWithUnderscores },
    regexMaxProgramSize: envoy.regexMaxProgramSize,
    logsRequests: logsRequests(settings),
    ...(tracing.enabled && { tracing }),
  };
}
