import { Enforcement } from '../../controller/enforcement/enforcement.ts';
import { IdentityRegistry } from '../../controller/identities/identity-registry.ts';
import type { Action, ObjectBatch, ObjectSource } from '../../kube/index.ts';
import { type Diagnostic, type ObjectRef, objectKey } from '../../model/index.ts';
import { PolicyEngine } from '../../policy/index.ts';
import type { Settings } from '../../settings/index.ts';
import { enforcementViews, NODE_METHODS, type RpcServer, SnapshotCache, XdsServer } from '../../xds-server/serve/index.ts';
import { SplitSource } from './split-source.ts';

export interface PolicyPartsOptions {
  readonly settings: Settings['policy'];
  /** Where nodes connect to. */
  readonly rpc: RpcServer;
  /** Told when what is wrong, or what is to be written, may have changed. */
  readonly onChange: () => void;
}

/** How often it is looked for numbers that nothing has borne for long. */
const TICK_MS = 60_000;

/** From policies, pods and nodes to what agents enforce. */
export class PolicyParts {
  /** Of nodes, at the address that it shares. */
  readonly server: XdsServer;
  readonly #options: PolicyPartsOptions;
  readonly #cache = new SnapshotCache();
  readonly #registry = new IdentityRegistry({ now: () => performance.now() });
  readonly #enforcement: Enforcement;
  readonly #timer: NodeJS.Timeout;
  /** Keys of the actions that were told of and not taken back. */
  #told: ReadonlySet<string> = new Set();

  constructor(options: PolicyPartsOptions) {
    this.#options = options;
    const { enforcement, services, clusterName, podNetworks, labels } = options.settings;
    const engine = new PolicyEngine({ allocator: this.#registry, enforcement, cluster: clusterName, podNetworks, labelFilter: labels });
    this.#enforcement = new Enforcement({ engine, registry: this.#registry, cache: this.#cache, services, podNetworks });
    const views = enforcementViews(this.#cache);
    this.server = new XdsServer({ cache: this.#cache, views, methods: NODE_METHODS, rpc: options.rpc });
    this.#timer = setInterval(() => options.onChange(), TICK_MS);
    this.#timer.unref();
  }

  /** The source, of which this takes its part first. */
  split(source: ObjectSource): ObjectSource {
    return new SplitSource(source, (batch) => this.#take(batch));
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

  close(): void {
    clearInterval(this.#timer);
  }

  #take(batch: ObjectBatch): void {
    this.#enforcement.take(batch);
    this.#options.onChange();
  }
}
