import type { Diagnostic, FieldPath, FieldRef, HttpRule, Slot } from '../../model/index.ts';
import { objectKey } from '../../model/index.ts';
import {
  EXTENSION_CONFIG_TYPE,
  LISTENER_TYPE,
  type Outcome,
  OWN_COPIES_PREFIX,
  OWN_LISTENER_PREFIX,
  type ResourceName,
} from '../../xds-server/serve/index.ts';
import { rejectedByEnvoy } from '../rejected-by-envoy.ts';

/**
 * What of a slot an Envoy refuses: its listener, without which everything is dropped, its filter, of which it keeps what it had, or a copy of a listener
 * that Services are led to.
 */
type Part = 'listener' | 'filter' | 'copy';

interface Refused extends ResourceName {
  readonly part: Part;
  readonly slot: string;
  readonly node: string;
  readonly version: string;
  readonly message: string;
}

/** So much of what a node says about itself is told on. */
const MAX_MESSAGE = 1_000;
const CONSEQUENCES: Readonly<Record<Part, string>> = {
  listener: 'what these rules decide of is dropped there',
  filter: 'it keeps what it had',
  copy: 'clients meet the listener itself',
};
/** The same of what stands in a config. */
const OF_CONFIGS: Readonly<Record<Part, string>> = {
  listener: 'the listener, so Services are not led to it',
  filter: 'the filter, so it keeps what it had',
  copy: 'a copy of the listener that asks clients the rules of their policies, so these meet the listener itself, which asks them nothing',
};

/** What nodes' Envoys refuse of slots at present, brought back to the rules that it was made of. */
export class SlotRefusals {
  readonly #versionOf: (name: ResourceName) => string | undefined;
  /** Of Envoys that are served by this process, by node, type and name. */
  readonly #refused = new Map<string, Refused>();
  /** What agents tell of, by node. */
  readonly #told = new Map<string, ReadonlyMap<string, string>>();

  /** @param versionOf what is published of a resource */
  constructor(versionOf: (name: ResourceName) => string | undefined) {
    this.#versionOf = versionOf;
  }

  /** @returns whether this is about a part of a slot */
  note({ outcome, nodeId: node, typeUrl, name, version, message }: Outcome): boolean {
    const part = partOf({ typeUrl, name });
    if (!part) return false;
    const key = `${node} ${typeUrl} ${name}`;
    if (outcome === 'nack') this.#refused.set(key, { ...part, typeUrl, name, node, version, message });
    // What takes the place of a refused version is accepted, too.
    else if (this.#refused.get(key)?.version === version || this.#versionOf({ typeUrl, name }) === version) this.#refused.delete(key);
    return true;
  }

  /**
   * Takes in what of slots a node's Envoy refuses, in place of what was told of that node before.
   * @param refused Envoy's words, by the names of filters and listeners
   */
  tell(node: string, refused: ReadonlyMap<string, string>): void {
    if (refused.size === 0) this.#told.delete(node);
    else this.#told.set(node, refused);
  }

  /** Whether nothing is refused. */
  get isEmpty(): boolean {
    return this.#refused.size + this.#told.size === 0;
  }

  /** Forgets a node that is gone. */
  forget(node: string): void {
    this.#told.delete(node);
    for (const [key, refused] of this.#refused) if (refused.node === node) this.#refused.delete(key);
  }

  /**
   * One for each object that has rules in what is refused, and each part of a slot.
   * @param listenerOf where the listener stands that Services are led to, if the slot is one of such
   */
  diagnostics(
    slotOf: (name: string) => Slot | undefined,
    listenerOf: (name: string) => FieldRef | undefined = () => undefined,
  ): readonly Diagnostic[] {
    const parts = Map.groupBy(this.#all(), ({ part, slot }) => `${slot} ${part}`);
    return [...parts.values()].flatMap((refused) => {
      const [first] = refused.toSorted((a, b) => (a.node < b.node ? -1 : 1));
      if (!first) return [];
      const nodes = new Set(refused.map(({ node }) => node)).size;
      const slot = slotOf(first.slot);
      const listener = listenerOf(first.slot);
      if (listener) return rejectedByEnvoy(`${whoRefuses(first, nodes)} ${OF_CONFIGS[first.part]}: ${wordsOf(first)}`, [listener]);
      return slot ? diagnose(slot, first, nodes) : [];
    });
  }

  *#all(): Iterable<Omit<Refused, 'version' | keyof ResourceName>> {
    for (const [key, refused] of this.#refused) {
      // What was published since, a client that never had it says nothing more of.
      if (this.#versionOf(refused) === refused.version) yield refused;
      else this.#refused.delete(key);
    }
    for (const [node, told] of this.#told) for (const [name, message] of told) yield { ...partCalled(name), node, message };
  }
}

function partOf({ typeUrl, name }: ResourceName): Pick<Refused, 'part' | 'slot'> | undefined {
  const isOfSlot = typeUrl === EXTENSION_CONFIG_TYPE || (typeUrl === LISTENER_TYPE && name.startsWith(OWN_LISTENER_PREFIX));
  return isOfSlot ? partCalled(name) : undefined;
}

/** A filter is called as its slot. */
function partCalled(name: string): Pick<Refused, 'part' | 'slot'> {
  for (const [prefix, part] of PREFIXES) if (name.startsWith(prefix)) return { part, slot: name.slice(prefix.length) };
  return { part: 'filter', slot: name };
}

const PREFIXES = [
  [OWN_LISTENER_PREFIX, 'listener'],
  [OWN_COPIES_PREFIX, 'copy'],
] as const satisfies readonly (readonly [string, Part])[];

function diagnose(slot: Slot, { part, node, message }: Pick<Refused, 'part' | 'node' | 'message'>, nodes: number): Diagnostic[] {
  const who = whoRefuses({ node }, nodes);
  const text = `${who} the ${part} of slot ${slot.name}, so ${CONSEQUENCES[part]}: ${wordsOf({ message })}`;
  return rejectedByEnvoy(text, quotedFields(slot, message) ?? fieldsOf(slot)).filter(({ object }) => object !== undefined);
}

function whoRefuses({ node }: Pick<Refused, 'node'>, nodes: number): string {
  return nodes === 1 ? `Envoy of node ${node} refuses` : `Envoys of ${nodes} nodes, ${node} among them, refuse`;
}

function wordsOf({ message }: Pick<Refused, 'message'>): string {
  return message.trim().slice(0, MAX_MESSAGE);
}

/** Envoy names a regular expression that it does not take. */
function quotedFields({ rules }: Slot, message: string): readonly FieldRef[] | undefined {
  if (rules.kind !== 'http') return undefined;
  const patterns = rules.rules.flatMap(({ method, path, host }: HttpRule) => [method, path, host].filter((each) => each !== undefined));
  const quoted = patterns.filter(({ regex }) => message.includes(`'${regex}'`)).map(({ source }) => source);
  return quoted.length > 0 ? quoted : undefined;
}

/** Of each object what all its rules in the slot have in common. */
function fieldsOf({ rules, allowsAll }: Slot): readonly FieldRef[] {
  const sources = [...rules.rules.map(({ source }) => source), ...allowsAll];
  return [...Map.groupBy(sources, ({ object }) => objectKey(object)).values()].flatMap((ofObject) => {
    const [first] = ofObject;
    return first ? [{ object: first.object, path: commonPath(ofObject.map(({ path }) => path)) }] : [];
  });
}

function commonPath([first = [], ...others]: readonly FieldPath[]): FieldPath {
  const end = first.findIndex((part, index) => others.some((path) => path[index] !== part));
  return end < 0 ? first : first.slice(0, end);
}
