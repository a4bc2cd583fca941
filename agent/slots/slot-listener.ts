import type { MessageInitShape } from '@bufbuild/protobuf';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { SocketOption_SocketState, type SocketOptionSchema } from '@sluice/envoy-protos/envoy/config/core/v3/socket_option_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { OriginalSrcSchema } from '@sluice/envoy-protos/envoy/extensions/filters/listener/original_src/v3/original_src_pb.js';
import {
  CLUSTER_TYPE,
  contentVersion,
  LISTENER_TYPE,
  OWN_LISTENER_PREFIX,
  type Resource,
  type ResourceName,
} from '../../xds-server/serve/index.ts';
import { INGRESS_MARKS, LEG_MARKS } from '../network/index.ts';
import type { NodeSlot, SlotDirection } from './decode-slot.ts';
import { ingressListener } from './ingress-listener.ts';

/**
 * Which leg a packet is of: see docs/decisions/layer7.md. The slot's port stands in the upper 16 bits. What is opened for a Service has a mark of its clusters,
 * which is the same on all nodes.
 */
const MARKS = {
  egress: { accepted: LEG_MARKS.egressListener, opened: LEG_MARKS.egressUpstream },
  ingress: { accepted: LEG_MARKS.ingressListener, opened: LEG_MARKS.ingressUpstream },
  service: { accepted: LEG_MARKS.egressListener },
} as const satisfies Record<SlotDirection, { readonly accepted: number; readonly opened?: number }>;

type OwnPart = Pick<Exclude<MessageInitShape<typeof ListenerSchema>, { $typeName: string }>, 'socketOptions' | 'listenerFilters'>;

/** socket(7) */
const SOL_SOCKET = 1n;
const SO_MARK = 36n;

/**
 * The listener of a slot on this node: what controllers say of it, and where and with which marks it listens. It listens at all addresses, since Envoy asks a
 * socket for the destination of a connection only then; that nobody but the kernel's programs leads to it is for the node's network to guard.
 */
export function slotListener(slot: NodeSlot, port: number, ofIngresses: readonly Resource[]): Resource {
  const before = slot.ofIngresses ? ofIngresses : NONE;
  const known = made.get(slot);
  if (known?.port === port && known.before === before) return known.listener;
  const listener = makeListener(slot, port, before);
  made.set(slot, { port, before, listener });
  return listener;
}

const NONE: readonly Resource[] = [];
/** Slots are looked at again and again, and seldom change. */
const made = new WeakMap<NodeSlot, { readonly port: number; readonly before: readonly Resource[]; readonly listener: Resource }>();

function makeListener(slot: NodeSlot, port: number, listeners: readonly Resource[]): Resource {
  const own = create(ListenerSchema, {
    name: listenerName(slot.name),
    address: anywhere('0.0.0.0', port),
    additionalAddresses: [{ address: anywhere('::', port) }],
    ...(slot.ofIngresses ? toIngresses(port) : steeredTo(slot, port)),
  });
  // Fields of a message may stand anywhere in it, and lists are what all parts have of them.
  const common = slot.ofIngresses ? ingressListener(slot.listener, listeners) : commonPart(slot, port);
  const body = Buffer.concat([common, toBinary(ListenerSchema, own)]);
  return {
    typeUrl: LISTENER_TYPE,
    name: listenerName(slot.name),
    version: contentVersion(body),
    body,
    requires: clustersOf([...slot.requires, ...listeners.flatMap(({ requires }) => requires)]),
  };
}

/** What a copy opens for clients says which one it is, where that says what has been asked by then. */
function commonPart({ listener, copyOf, asksOnce }: NodeSlot, port: number): Uint8Array {
  if (copyOf === undefined || !asksOnce) return listener;
  const {
    listenerFilters: [source, ...others],
    ...rest
  } = fromBinary(ListenerSchema, listener);
  const config = source?.configType;
  const read = config?.case === 'typedConfig' ? anyUnpack(config.value, OriginalSrcSchema) : undefined;
  if (!source || !read) return listener;
  const value = anyPack(OriginalSrcSchema, { ...read, mark: markOf(read.mark, port) });
  const listenerFilters = [{ ...source, configType: { case: 'typedConfig', value } as const }, ...others];
  return toBinary(ListenerSchema, { ...rest, listenerFilters });
}

function steeredTo({ direction }: NodeSlot, port: number): OwnPart {
  const marks: { readonly accepted: number; readonly opened?: number } = MARKS[direction];
  const socketOptions = [markedWith(marks.accepted, port)];
  if (marks.opened === undefined) return { socketOptions };
  return {
    socketOptions,
    listenerFilters: [
      {
        name: 'envoy.filters.listener.original_src',
        configType: {
          case: 'typedConfig',
          value: anyPack(OriginalSrcSchema, create(OriginalSrcSchema, { mark: markOf(marks.opened, port) })),
        },
      },
    ],
  };
}

/** The kernel gives it connections for the ports of Ingresses; what is for its own port has a slot of another's, or none, and is refused. */
function toIngresses(port: number): OwnPart {
  return { socketOptions: [markedWith(INGRESS_MARKS.server, port)] };
}

/** Filters Envoy asks for itself, once it has the listener. */
function clustersOf(requires: readonly ResourceName[]): readonly ResourceName[] {
  return requires.filter(({ typeUrl }) => typeUrl === CLUSTER_TYPE);
}

/** Of no listener that a controller makes. */
export function listenerName(slot: string): string {
  return `${OWN_LISTENER_PREFIX}${slot}`;
}

function anywhere(address: string, port: number) {
  return { address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } } } as const;
}

function markedWith(kind: number, port: number): MessageInitShape<typeof SocketOptionSchema> {
  return {
    description: 'SO_MARK',
    level: SOL_SOCKET,
    name: SO_MARK,
    value: { case: 'intValue', value: BigInt(markOf(kind, port)) },
    state: SocketOption_SocketState.STATE_PREBIND,
  };
}

/** A number of 32 bits without a sign; no port here has the highest bit. */
function markOf(kind: number, port: number): number {
  return kind | (port << 16);
}
