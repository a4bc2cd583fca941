import { create } from '@bufbuild/protobuf';
import { Slot_Direction, SlotSchema } from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import type { FieldRef } from '../../model/index.ts';
import { type Resource, type ResourceChange, SLOT_TYPE } from '../../xds-server/serve/index.ts';
import { encodeResource } from '../../xds-server/translate/encode.ts';
import type { ListenerChange, NamedListener } from '../pipeline/taken-services.ts';

/** Slots of listeners that Services are led to. */
export class ServiceSlots {
  readonly #sources = new Map<string, FieldRef>();

  /** Where the listener of such a slot stands. */
  readonly sourceOf = (slot: string): FieldRef | undefined => this.#sources.get(slot);

  /** @returns what nodes are to be told */
  take({ listeners, gone }: Pick<ListenerChange, 'listeners' | 'gone'>): ResourceChange {
    for (const { slot, listener } of listeners) this.#sources.set(slot, listener.source);
    for (const slot of gone) this.#sources.delete(slot);
    return { upserts: listeners.map(serviceSlot), removals: gone.map((name) => ({ typeUrl: SLOT_TYPE, name })) };
  }
}

/** The slot of a listener, as nodes are told of it. */
export function serviceSlot({ slot, listener: { name, body, requires, asksClients, sendsAsAsked } }: NamedListener): Resource {
  const message = create(SlotSchema, {
    direction: Slot_Direction.SERVICE,
    listener: body,
    asksClients,
    asksOnce: sendsAsAsked,
    requires: requires.map(({ typeUrl, name: required }) => ({ typeUrl, name: required })),
    rules: JSON.stringify({ kind: 'listener', name }),
  });
  return encodeResource(SlotSchema, slot, message);
}
