import { create, fromBinary } from '@bufbuild/protobuf';
import { Slot_Direction, SlotSchema } from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import { type SlotOptions, type TranslatedSlot, translateSlot, translateSteeringClusters } from '../../l7-filters/envoy/index.ts';
import type { Slot } from '../../model/index.ts';
import { type Resource, type ResourceChange, type ResourceName, SLOT_TYPE } from '../../xds-server/serve/index.ts';
import { encodeResource } from '../../xds-server/translate/encode.ts';
import { SlotSecrets } from './slot-secrets.ts';

export interface SlotResourcesOptions {
  readonly translation: Omit<SlotOptions, 'secretValue'>;
  /** Publishes what Envoys have of slots. */
  readonly publish: (change: ResourceChange) => void;
  /** How long filters outlive their slots, in milliseconds. Default 15 000. */
  readonly lingerMs?: number;
}

/** Connections are steered until all parts of a node have heard that a slot is gone; without its filter a listener would answer them with errors. */
const LINGER_MS = 15_000;
/**
 * A client that is steered takes as long to connect as it does without that. Envoy keeps what it opened for a client after that client is gone,
 * until it has been idle for so long; of one client to one server there are some 1500 at most.
 */
const STEERING = { connectTimeoutMs: 30_000, idleTimeoutMs: 1_000 };

const DIRECTIONS = { ingress: Slot_Direction.INGRESS, egress: Slot_Direction.EGRESS } as const satisfies Record<
  Slot['direction'],
  Slot_Direction
>;

/** Translates slots as they come, change and go. */
export class SlotResources {
  readonly #options: SlotResourcesOptions;
  /** Of each slot, what Envoys have for it. */
  readonly #filters = new Map<string, readonly ResourceName[]>();
  readonly #lingering = new Map<string, NodeJS.Timeout>();
  readonly #slots = new Map<string, Slot>();
  /** What their rules name. */
  readonly secrets = new SlotSecrets();
  /** Slots whose Secrets nobody has looked for yet: until then, what Envoys have of them stays. */
  readonly #waiting = new Set<string>();
  #hasClusters = false;

  constructor(options: SlotResourcesOptions) {
    this.#options = options;
  }

  /** A slot that is there. */
  readonly slot = (name: string): Slot | undefined => this.#slots.get(name);

  /**
   * Publishes what Envoys need.
   * @returns what nodes are to be told
   */
  take(upserts: readonly Slot[], removals: readonly string[]): ResourceChange {
    for (const slot of upserts) {
      this.#keep(slot.name);
      this.#slots.set(slot.name, slot);
      this.secrets.setSlot(slot.name, slot);
      if (this.secrets.hasSecrets(slot.name)) this.#waiting.add(slot.name);
    }
    for (const name of removals) {
      this.#slots.delete(name);
      this.secrets.setSlot(name, undefined);
      this.#waiting.delete(name);
    }
    const nodes = this.#translate(upserts);
    for (const name of removals) this.#linger(name);
    return { upserts: nodes, removals: removals.map((name) => ({ typeUrl: SLOT_TYPE, name })) };
  }

  /** Publishes what changes because all Secrets that rules name have been looked for, or have changed. */
  settleSecrets(): void {
    const names = new Set([...this.#waiting, ...this.secrets.takeStale()]);
    this.#waiting.clear();
    this.#translate([...names].flatMap((name) => this.#slots.get(name) ?? []));
  }

  close(): void {
    for (const timer of this.#lingering.values()) clearTimeout(timer);
  }

  #translate(slots: readonly Slot[]): Resource[] {
    const nodes: Resource[] = [];
    const envoys: Resource[] = [];
    const gone: ResourceName[] = [];
    for (const slot of slots) {
      const { filters, ...ofNodes } = translateSlot(slot, { ...this.#options.translation, secretValue: this.secrets.valueOf });
      nodes.push(nodeSlot(slot, ofNodes));
      if (this.#waiting.has(slot.name)) continue;
      envoys.push(...filters);
      gone.push(...this.#replaceFilters(slot.name, filters));
    }
    this.#publish(envoys, gone);
    return nodes;
  }

  /** @returns those that the slot has no longer */
  #replaceFilters(slot: string, filters: readonly Resource[]): readonly ResourceName[] {
    const before = this.#filters.get(slot) ?? [];
    const after = filters.map(({ typeUrl, name }) => ({ typeUrl, name }));
    this.#filters.set(slot, after);
    return before.filter((old) => !after.some(({ typeUrl, name }) => typeUrl === old.typeUrl && name === old.name));
  }

  /** The clusters of all slots come with the first, and stay. */
  #publish(filters: readonly Resource[], removals: readonly ResourceName[]): void {
    if (filters.length + removals.length === 0) return;
    const clusters = this.#hasClusters ? [] : translateSteeringClusters(STEERING);
    this.#hasClusters = true;
    this.#options.publish({ upserts: [...clusters, ...filters], removals });
  }

  #linger(name: string): void {
    const end = () => {
      const filters = this.#filters.get(name) ?? [];
      this.#lingering.delete(name);
      this.#filters.delete(name);
      this.#publish([], filters);
    };
    this.#keep(name);
    this.#lingering.set(name, setTimeout(end, this.#options.lingerMs ?? LINGER_MS).unref());
  }

  #keep(name: string): void {
    clearTimeout(this.#lingering.get(name));
    this.#lingering.delete(name);
  }
}

/** What Envoys have to have for a slot that nodes are told of. */
export function requirementsOfSlot({ body }: Resource): readonly ResourceName[] {
  return fromBinary(SlotSchema, body).requires.map(({ typeUrl, name }) => ({ typeUrl, name }));
}

function nodeSlot(slot: Slot, { listener, requires, asked, asksOnce = false }: Omit<TranslatedSlot, 'filters'>): Resource {
  const { name, direction, rules, allowsAll, audits, ofIngresses = false } = slot;
  const message = create(SlotSchema, {
    direction: DIRECTIONS[direction],
    ofIngresses,
    listener,
    requires: requires.map(({ typeUrl, name: required }) => ({ typeUrl, name: required })),
    rules: JSON.stringify({ ...rules, allowsAll, audits }),
    ...(asked && { asked }),
    asksOnce,
  });
  return encodeResource(SlotSchema, name, message);
}
