import { create, fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { Cluster_LbPolicy, ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { AddressSchema } from '@sluice/envoy-protos/envoy/config/core/v3/address_pb.js';
import { TypedExtensionConfigSchema } from '@sluice/envoy-protos/envoy/config/core/v3/extension_pb.js';
import { ClusterLoadAssignmentSchema } from '@sluice/envoy-protos/envoy/config/endpoint/v3/endpoint_pb.js';
import { type Listener, ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import type { Slot } from '../../../model/index.ts';
import { BareEnvoy } from '../../../testkit/xds/bare-envoy.ts';
import { XdsScene } from '../../../testkit/xds/xds-scene.ts';
import type { Outcome, Resource, XdsServerOptions } from '../../../xds-server/serve/index.ts';
import { encodeResource } from '../../../xds-server/translate/encode.ts';
import { socketAddress } from '../../../xds-server/translate/messages.ts';
import { originalDestinationCluster, type SlotOptions, translateSlot, translateSteeringClusters } from '../index.ts';

export const SLOT_OPTIONS: SlotOptions = {
  http: { streamIdleTimeoutMs: 300_000, pathNormalization: 'full', headersWithUnderscores: 'allow' },
  regexMaxProgramSize: 1_000,
};

const CLUSTER_OPTIONS = { connectTimeoutMs: 5_000, idleTimeoutMs: 60_000 };

/** A slot that clients of this machine reach by a port, since nothing steers them. */
export interface ServedSlot {
  readonly slot: Slot;
  /** Of 127.0.0.1, where it listens. */
  readonly port: number;
  /** Of 127.0.0.1, which stands for where its clients wanted to go. All slots of a direction have the same. */
  readonly backendPort: number;
  readonly options?: SlotOptions;
  /** In place of the filter that it comes to. */
  readonly filter?: Any;
  /** What its listener needs besides. */
  readonly others?: readonly Resource[];
  /** Of its listener's socket, by the option's description: other values than it has. */
  readonly socketValues?: Readonly<Record<string, number>>;
}

/** A stock Envoy that serves slots as they were translated, but for the destination. */
export class SlotScene implements AsyncDisposable {
  readonly xds: XdsScene;
  readonly #envoy: BareEnvoy;

  private constructor(xds: XdsScene, envoy: BareEnvoy) {
    this.xds = xds;
    this.#envoy = envoy;
  }

  static async start(slots: readonly ServedSlot[], server: Partial<XdsServerOptions> = {}): Promise<SlotScene> {
    const resources = allResources(slots);
    const xds = await XdsScene.open(server);
    xds.publish(...resources);
    return new SlotScene(xds, BareEnvoy.start(xds.folder, xds.socket, 'node'));
  }

  /** In place of what was served until now. */
  serve(...slots: readonly ServedSlot[]): void {
    this.xds.publish(...allResources(slots));
  }

  get refusals(): readonly Outcome[] {
    return this.xds.outcomes.filter(({ outcome }) => outcome === 'nack');
  }

  /** What Envoy wrote. */
  get logFile(): string {
    return this.xds.folder.join('node.log');
  }

  get adminSocket(): string {
    return this.xds.folder.join('node.admin');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#envoy.kill();
    await this.xds[Symbol.asyncDispose]();
  }
}

function allResources(slots: readonly ServedSlot[]): readonly Resource[] {
  const resources = slots.flatMap(resourcesOf).map((resource) => [`${resource.typeUrl} ${resource.name}`, resource] as const);
  return [...new Map(resources).values()];
}

function resourcesOf({
  slot,
  port,
  backendPort,
  options = SLOT_OPTIONS,
  filter,
  others = [],
  socketValues = {},
}: ServedSlot): readonly Resource[] {
  const { listener, filters, requires } = translateSlot(slot, options);
  const local = fromBinary(ListenerSchema, listener);
  local.name = slot.name;
  local.address = create(AddressSchema, socketAddress('127.0.0.1', port));
  local.transparent = false;
  for (const [description, value] of Object.entries(socketValues)) setSocketValue(local, description, value);
  const own = filter
    ? [encodeResource(TypedExtensionConfigSchema, slot.name, create(TypedExtensionConfigSchema, { name: slot.name, typedConfig: filter }))]
    : [];
  return [
    ...filters.filter(({ name }) => !own.some((each) => each.name === name)),
    ...own,
    ...others,
    encodeResource(ListenerSchema, slot.name, local, requires),
    cluster(slot, backendPort),
  ];
}

function setSocketValue({ name, socketOptions }: Listener, description: string, value: number): void {
  const option = socketOptions.find((each) => each.description === description);
  if (option === undefined) throw new Error(`the listener of ${name} does not set ${description}`);
  option.value = { case: 'intValue', value: BigInt(value) };
}

/** The cluster of the slot's direction and kind, with a destination of its own. */
function cluster({ direction, rules }: Slot, backendPort: number): Resource {
  const name = originalDestinationCluster(direction, rules.kind);
  const found = translateSteeringClusters(CLUSTER_OPTIONS).find((each) => each.name === name);
  if (found === undefined) throw new Error(`no cluster ${name}`);
  const local = fromBinary(ClusterSchema, found.body);
  local.clusterDiscoveryType = { case: undefined };
  local.lbPolicy = Cluster_LbPolicy.ROUND_ROBIN;
  delete local.upstreamBindConfig;
  const endpoint = { address: socketAddress('127.0.0.1', backendPort) };
  local.loadAssignment = create(ClusterLoadAssignmentSchema, {
    clusterName: name,
    endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: endpoint } }] }],
  });
  return encodeResource(ClusterSchema, name, local);
}
