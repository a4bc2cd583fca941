import { findServerName } from '../../l7-filters/tls/index.ts';
import { type Direction, type ObjectRef, objectKey, type SlotRules } from '../../model/index.ts';
import { type Resource, SLOT_TYPE, type SnapshotCache } from '../../xds-server/serve/index.ts';
import { decodeSlot, rulesOf } from '../slots/decode-slot.ts';
import { parseRules } from '../slots/slot-rules.ts';

/** For whom something was decided, and by whose rules. */
export interface SlotDecision {
  readonly direction?: Direction;
  readonly by: readonly ObjectRef[];
}

const NOBODY: SlotDecision = { by: [] };

interface KnownSlot {
  readonly rules: SlotRules | undefined;
  /** All that have rules in it. */
  readonly whole: SlotDecision;
}

/** Who decides in slots, as the enforcer of this node is told of them. */
export class SlotDecisions {
  readonly #cache: Pick<SnapshotCache, 'get'>;
  /** Slots seldom change, and each request asks. */
  readonly #known = new WeakMap<Resource, KnownSlot>();

  constructor(cache: Pick<SnapshotCache, 'get'>) {
    this.#cache = cache;
  }

  /** Of what none of a slot's rules allows: all that have some, since any of them could have. */
  denied(slot: string): SlotDecision {
    return this.#find(slot)?.whole ?? NOBODY;
  }

  /** Of a connection that names a server, or none, and is let pass. */
  allowed(slot: string, serverName: string): SlotDecision {
    const found = this.#find(slot);
    if (!found) return NOBODY;
    const rule = found.rules?.kind === 'tls' ? findServerName(found.rules.rules, serverName) : undefined;
    return { ...found.whole, by: rule ? [rule.source.object] : [] };
  }

  #find(name: string): KnownSlot | undefined {
    const resource = this.#cache.get({ typeUrl: SLOT_TYPE, name });
    if (!resource) return undefined;
    const known = this.#known.get(resource) ?? read(resource);
    this.#known.set(resource, known);
    return known;
  }
}

function read(resource: Resource): KnownSlot {
  const direction = decodeSlot(resource)?.direction;
  const rules = parseRules(rulesOf(resource) ?? '');
  const objects = (rules?.rules ?? []).map(({ source }) => source.object);
  const by = [...new Map(objects.map((object) => [objectKey(object), object])).values()];
  return { rules, whole: { ...(direction !== undefined && direction !== 'service' && { direction }), by } };
}
