import { fromBinary } from '@bufbuild/protobuf';
import { Slot_Direction, SlotSchema } from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import { z } from 'zod';
import type { Direction } from '../../model/index.ts';
import type { Resource, ResourceName } from '../../xds-server/serve/index.ts';

/** What a slot has: what pods send, what comes to them, or what they ask of a Service. */
export type SlotDirection = Direction | 'service';

/** A slot as this node is told of it. */
export interface NodeSlot {
  readonly name: string;
  readonly direction: SlotDirection;
  /** A part of an encoded listener of Envoy; of what comes to Ingresses, what {@link ingressListener} takes. */
  readonly listener: Uint8Array;
  readonly requires: readonly ResourceName[];
  /** Whether it decides of what comes to Ingresses. */
  readonly ofIngresses: boolean;
  /** What listeners that Services are led to ask of requests for it; of no length where that is nothing. */
  readonly asked: Uint8Array;
  /** Whether it is such a listener, and asks. */
  readonly asksClients: boolean;
  /** Whether it need not be asked again of what is sent, if the other of the two is so, too. */
  readonly asksOnce: boolean;
  /** The slot whose listener it is a copy of. */
  readonly copyOf?: string;
}

const decoded = new WeakMap<Resource, NodeSlot | undefined>();

/** @returns undefined for what this version cannot read: nothing is steered there, so nothing passes */
export function decodeSlot(resource: Resource): NodeSlot | undefined {
  if (!decoded.has(resource)) decoded.set(resource, decode(resource));
  return decoded.get(resource);
}

/** JSON of the slot's rules; undefined for what this version cannot read. */
export function rulesOf({ body }: Resource): string | undefined {
  try {
    return fromBinary(SlotSchema, body).rules;
  } catch {
    return undefined;
  }
}

const rulesView = z.object({ kind: z.enum(['http', 'tls']) });
const protocols = new WeakMap<Resource, z.output<typeof rulesView>['kind'] | undefined>();

/** Of what a slot's rules are; undefined where it has none, or none that this version can read. */
export function protocolOf(resource: Resource): 'http' | 'tls' | undefined {
  if (!protocols.has(resource)) protocols.set(resource, readProtocol(rulesOf(resource) ?? ''));
  return protocols.get(resource);
}

function readProtocol(rules: string): 'http' | 'tls' | undefined {
  try {
    return rulesView.safeParse(JSON.parse(rules)).data?.kind;
  } catch {
    return undefined;
  }
}

function decode({ name, body }: Resource): NodeSlot | undefined {
  try {
    const { direction, listener, requires, ofIngresses, asked, asksClients, asksOnce } = fromBinary(SlotSchema, body);
    const read = DIRECTIONS.get(direction);
    return read && { name, direction: read, listener, requires, ofIngresses, asked, asksClients, asksOnce };
  } catch {
    return undefined;
  }
}

const DIRECTIONS: ReadonlyMap<Slot_Direction, SlotDirection> = new Map([
  [Slot_Direction.INGRESS, 'ingress'],
  [Slot_Direction.EGRESS, 'egress'],
  [Slot_Direction.SERVICE, 'service'],
]);
