import { hash } from 'node:crypto';
import {
  ADDRESS_TYPE,
  ENDPOINT_SLICE_TYPE,
  EXTENSION_CONFIG_TYPE,
  type ResourceName,
  SERVICE_TYPE,
  SLOT_TYPE,
  type SnapshotCache,
  SUBJECT_POLICY_TYPE,
} from '../../xds-server/serve/index.ts';
import { askLast } from './ask-last.ts';
import { decodeSlot, type NodeSlot } from './decode-slot.ts';
import { slotVerdicts } from './slot-verdicts.ts';
import { takenBackends } from './taken-backends.ts';

const OF_SLOTS = new Set([SLOT_TYPE, SUBJECT_POLICY_TYPE]);
/** What matters only where there may be copies. */
const OF_BACKENDS = new Set([ADDRESS_TYPE, ENDPOINT_SLICE_TYPE, SERVICE_TYPE]);

/**
 * What the copy of a listener that asks the rules of a slot is called, as a slot of its own. Kernels have room for 63 bytes. Where asking once begins or ends to
 * be enough it is another one, so that nobody who is with the former is taken for the latter's.
 */
export function copyName(listener: string, slot: string, asksOnce: boolean): string {
  return `service/${hash('sha256', `${listener} ${slot}${asksOnce ? ' once' : ''}`, 'base64url').slice(0, 22)}`;
}

/** Whether a slot has what pods ask of Services: listeners that these are led to, and their copies. */
export function isOfService(slot: string): boolean {
  return slot.startsWith('service/');
}

interface Copy {
  readonly name: string;
  readonly listener: NodeSlot;
  readonly asking: NodeSlot;
  /** Undefined where the listener serves no HTTP. */
  readonly slot: NodeSlot | undefined;
}

/**
 * Copies of listeners that Services are led to, one for each slot that may decide of what pods of this node send to backends of such a Service: as slots of
 * their own. There may be more than are met, which the kernel's verdicts say.
 */
export class ListenerCopies {
  readonly #cache: Pick<SnapshotCache, 'ofType' | 'get'>;
  #copies: ReadonlyMap<string, Copy> = new Map();
  #isStale = true;
  #mayBeAny = false;

  /** @param cache what this node's enforcer is told */
  constructor(cache: Pick<SnapshotCache, 'ofType' | 'get'>) {
    this.#cache = cache;
  }

  /** To be told of each change. @returns whether slots may be others, or their copies */
  note(names: readonly ResourceName[]): boolean {
    this.#isStale ||= names.some(({ typeUrl }) => OF_SLOTS.has(typeUrl) || (this.#mayBeAny && OF_BACKENDS.has(typeUrl)));
    return this.#isStale;
  }

  /** @param slots all that this node is told of */
  of(slots: readonly NodeSlot[]): readonly NodeSlot[] {
    if (this.#isStale) this.#copies = new Map(this.#find(slots));
    this.#isStale = false;
    return [...this.#copies.values()].flatMap(({ slot }) => slot ?? []);
  }

  *#find(slots: readonly NodeSlot[]): Generator<[string, Copy]> {
    const listeners = slots.filter(({ asksClients }) => asksClients);
    const asking = new Map(slots.filter(({ asked }) => asked.length > 0).map((slot) => [slot.name, slot]));
    this.#mayBeAny = listeners.length > 0 && asking.size > 0;
    if (!this.#mayBeAny) return;
    const backends = takenBackends(this.#cache);
    const verdicts = this.#verdicts().filter(({ slot }) => asking.has(slot));
    for (const listener of listeners) {
      const own = backends.get(listener.name) ?? [];
      const deciding = new Set(
        verdicts.filter(({ isFor }) => own.some(({ identity, port }) => isFor(identity, port))).map(({ slot }) => slot),
      );
      for (const name of deciding) {
        const slot = asking.get(name);
        if (!slot) continue;
        const copy = this.#copyOf(listener, slot);
        yield [copy.name, copy];
      }
    }
  }

  #verdicts() {
    return [...this.#cache.ofType(SUBJECT_POLICY_TYPE).values()].flatMap(({ resource }) => slotVerdicts(resource));
  }

  #copyOf(listener: NodeSlot, asking: NodeSlot): Copy {
    const asksOnce = listener.asksOnce && asking.asksOnce;
    const name = copyName(listener.name, asking.name, asksOnce);
    const known = this.#copies.get(name);
    if (known?.listener === listener && known.asking === asking) return known;
    const body = askLast(listener.listener, asking.asked);
    const requires = [...listener.requires, ...asking.requires.filter(({ typeUrl }) => typeUrl === EXTENSION_CONFIG_TYPE)];
    const slot = body && { ...listener, name, listener: body, requires, asksClients: false, asksOnce, copyOf: listener.name };
    return { name, listener, asking, slot };
  }
}

/** What a node is told of slots. */
export function slotsIn(cache: Pick<SnapshotCache, 'ofType'>): readonly NodeSlot[] {
  return [...cache.ofType(SLOT_TYPE).values()].flatMap(({ resource }) => decodeSlot(resource) ?? []);
}
