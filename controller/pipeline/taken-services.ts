import type { Collection, Graph } from '../../collection/index.ts';
import {
  diagnoseEnvoyConfig,
  type EnvoyConfig,
  type ServiceListener,
  slotOfListener,
  type TakenService,
} from '../../envoy-config/index.ts';
import type { LabelSelectorSpec, Service, ServicePort } from '../../kube/index.ts';
import type { Diagnostic } from '../../model/index.ts';
import { fieldsThatLeave, type LeavingField } from '../../service-translation/index.ts';
import type { ResourceName } from '../../xds-server/serve/resource.ts';
import { type ConfigInForce, resourceKey } from './envoy-configs.ts';
import { type Inputs, inputKey } from './inputs.ts';

/** Listeners that Services are led to, and which Services those are. */
export interface TakenServiceStages {
  /** By the names of their slots. */
  readonly listeners: Collection<ServiceListener>;
  /** By the `namespace/name` of a Service that is there: which slots have which of its ports of TCP. */
  readonly takers: Collection<Takers>;
  /** What Envoys have of each config, by the keys of their objects. */
  readonly scopes: Collection<ConfigScope>;
  /** Services that are not there, or that others have, by the Service. */
  readonly diagnostics: Collection<readonly Diagnostic[]>;
}

/** What a node has of a config, if any. */
export interface ConfigScope {
  /** With all that these require. */
  readonly resources: readonly ResourceName[];
  /** Of its listeners that Services are led to. */
  readonly slots: readonly string[];
  /** Which nodes have it; absent: all. */
  readonly nodeSelector?: LabelSelectorSpec;
}

/** Numbers of ports, sorted, with the names of their slots. (Collections compare no maps.) */
export type Takers = readonly (readonly [port: number, slot: string])[];

/** What has changed of these. */
export interface ListenerChange {
  readonly listeners: readonly NamedListener[];
  readonly gone: readonly string[];
  readonly services: readonly ServiceTakers[];
  readonly scopes: readonly NamedScope[];
}

export interface NamedScope {
  readonly config: string;
  /** Absent where it is in force no longer. */
  readonly scope?: ConfigScope;
}

export interface NamedListener {
  readonly slot: string;
  readonly listener: ServiceListener;
}

export interface ServiceTakers {
  /** `namespace/name` */
  readonly name: string;
  /** Absent where it is gone. */
  readonly service?: Service;
  readonly takers: Takers;
}

interface Claim {
  readonly config: EnvoyConfig;
  readonly key: string;
  readonly created: string;
  readonly service: TakenService;
}

const NOBODY: Takers = [];
const WHAT_IS_LEFT = {
  externalTrafficPolicy: 'what is asked from outside of the nodes',
  loadBalancerSourceRanges: "what is asked from outside of the nodes by load balancers' addresses",
} as const satisfies Record<LeavingField, string>;

export function buildTakenServices(
  graph: Graph,
  inputs: Pick<Inputs, 'services'>,
  standing: Collection<ConfigInForce>,
): TakenServiceStages {
  const listeners = graph.group('listeners of configs', standing, ({ config }) =>
    config.listeners.map((listener): [string, ServiceListener] => [slotOfListener(listener.name), listener]),
  );
  const claims = graph.group('services of configs', standing, ({ config, created }, key) =>
    config.services.map((service): [string, Claim] => [inputKey(service), { config, key, created, service }]),
  );
  const judged = graph.derive('taken services', claims, (all, key, read) => judge(all, read(inputs.services, key), key));
  return {
    listeners: graph.derive('listeners for services', listeners, ([listener]) => listener),
    takers: graph.derive('takers of services', judged, ({ takers }) => (takers.length > 0 ? takers : undefined)),
    scopes: graph.derive('scopes of configs', standing, ({ config }) => scopeOf(config)),
    diagnostics: graph.derive('diagnostics of taken services', judged, ({ diagnostics }) => diagnostics),
  };
}

function scopeOf({ resources, listeners, nodeSelector }: EnvoyConfig): ConfigScope {
  const own = resources.map(({ resource: { typeUrl, name } }) => ({ typeUrl, name }));
  const all = [...own, ...listeners.flatMap(({ requires }) => requires)];
  return {
    resources: [...new Map(all.map((name) => [resourceKey(name), name])).values()],
    slots: listeners.map(({ name }) => slotOfListener(name)),
    ...(nodeSelector && { nodeSelector }),
  };
}

interface Judgement {
  readonly takers: Takers;
  readonly diagnostics: readonly Diagnostic[];
}

/** The oldest has what several want. */
function judge(claims: readonly Claim[], service: Service | undefined, name: string): Judgement {
  const takers = new Map<number, { readonly slot: string; readonly config: string }>();
  const diagnostics: Diagnostic[] = [];
  const tell = (
    { config, service: { path } }: Claim,
    part: readonly (string | number)[],
    code: 'OutsideNotLed' | 'ServiceNotLed' | 'ServiceTaken',
    message: string,
  ) => diagnostics.push(diagnoseEnvoyConfig(config.object, [...path, ...part], code, message));
  const ports = service?.spec.ports.filter(({ protocol }) => protocol === 'TCP') ?? [];
  for (const claim of claims.toSorted(byAge)) {
    const { wanted, missing } = portsWanted(claim.service, ports);
    if (!service) tell(claim, [], 'ServiceNotLed', `Service ${name} is not there`);
    else if (claim.service.ports.length === 0 && ports.length === 0) tell(claim, [], 'ServiceNotLed', `Service ${name} has no port of TCP`);
    else for (const index of missing) tell(claim, ['ports', index], 'ServiceNotLed', `Service ${name} has no such port of TCP`);
    for (const port of wanted) {
      const slot = slotOfListener(claim.service.listener);
      const other = takers.get(port);
      if (!other) takers.set(port, { slot, config: claim.key });
      else if (other.slot !== slot)
        tell(claim, [], 'ServiceTaken', `port ${port} of Service ${name} is led to a listener of ${other.config}`);
    }
    const left = service && isLed(claim, takers) ? fieldsThatLeave(service) : [];
    for (const field of left)
      tell(claim, [], 'OutsideNotLed', `${WHAT_IS_LEFT[field]} of Service ${name} is kube-proxy's, as its ${field} says`);
  }
  const byPort = [...takers].sort(([a], [b]) => a - b);
  return { takers: byPort.map(([port, { slot }]) => [port, slot] as const), diagnostics };
}

function isLed({ key }: Claim, takers: ReadonlyMap<number, { readonly config: string }>): boolean {
  return [...takers.values()].some(({ config }) => config === key);
}

function portsWanted({ ports: wanted }: TakenService, ports: readonly ServicePort[]) {
  const numbers = new Set(ports.map(({ port }) => port));
  if (wanted.length === 0) return { wanted: [...numbers], missing: [] };
  return {
    wanted: wanted.filter((port) => numbers.has(port)),
    missing: [...wanted.keys()].filter((index) => !numbers.has(wanted[index] ?? 0)),
  };
}

/** What a Service asks for itself comes after configs. Of one config in the order of its services, which is theirs here. */
function byAge(a: Claim, b: Claim): number {
  const [isAsItsOwn, isBsItsOwn] = [isOfService(a), isOfService(b)];
  if (isAsItsOwn !== isBsItsOwn) return isAsItsOwn ? 1 : -1;
  if (a.created !== b.created) return a.created < b.created ? -1 : 1;
  return a.key === b.key ? 0 : a.key < b.key ? -1 : 1;
}

function isOfService({ config }: Claim): boolean {
  return config.object.kind === 'Service';
}

/** Which of them changed, until somebody asks. */
export class ListenerChanges {
  readonly #slots = new Set<string>();
  readonly #services = new Set<string>();
  readonly #configs = new Set<string>();

  /** To be called after each settling. */
  note({ listeners, takers, scopes }: TakenServiceStages): void {
    for (const slot of listeners.changed) this.#slots.add(slot);
    for (const name of takers.changed) this.#services.add(name);
    for (const config of scopes.changed) this.#configs.add(config);
  }

  take({ listeners, takers, scopes }: TakenServiceStages, services: Collection<Service>): ListenerChange {
    const slots = [...this.#slots];
    const names = [...this.#services];
    const configs = [...this.#configs];
    for (const taken of [this.#slots, this.#services, this.#configs]) taken.clear();
    return {
      listeners: slots.flatMap((slot) => {
        const listener = listeners.get(slot);
        return listener ? [{ slot, listener }] : [];
      }),
      gone: slots.filter((slot) => !listeners.get(slot)),
      services: names.map((name) => {
        const service = services.get(name);
        return { name, takers: takers.get(name) ?? NOBODY, ...(service && { service }) };
      }),
      scopes: configs.map((config) => {
        const scope = scopes.get(config);
        return { config, ...(scope && { scope }) };
      }),
    };
  }
}
