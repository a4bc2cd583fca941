import { EVENT_ID, type Event, getScalarValue, parseEvents } from 'js-yaml';

/** From the root: keys of mappings and numbers of items. */
export type YamlPath = readonly (string | number)[];

interface Child {
  /** The event that begins the value. */
  readonly index: number;
  /** Where the key, or the item, begins in the text; -1 where nothing is written. */
  readonly offset: number;
}

/** Where the fields of one document stand in its text. Parses it once, and looks into a collection once. */
export class YamlPlaces {
  readonly #text: string;
  readonly #events: readonly Event[];
  readonly #children = new Map<number, ReadonlyMap<string | number, Child>>();

  /** @param text a document that could be decoded. */
  constructor(text: string) {
    this.#text = text;
    this.#events = parseEvents(text, {});
  }

  /** The offset of a field's key, or of the nearest thing around it that is there. */
  offsetOf(path: YamlPath): number {
    let index = this.#events.findIndex((event) => event.type !== EVENT_ID.DOCUMENT);
    let offset = startOf(this.#events[index]);
    for (const part of path) {
      const child = this.#childrenOf(index).get(part);
      if (!child) break;
      if (child.offset !== -1) offset = child.offset;
      index = child.index;
    }
    return Math.max(offset, 0);
  }

  #childrenOf(parent: number): ReadonlyMap<string | number, Child> {
    const known = this.#children.get(parent);
    if (known) return known;
    const children = new Map<string | number, Child>();
    this.#children.set(parent, children);
    const type = this.#events[parent]?.type;
    if (type === EVENT_ID.SEQUENCE) this.#addItems(parent, children);
    else if (type === EVENT_ID.MAPPING) this.#addPairs(parent, children);
    return children;
  }

  #addItems(parent: number, children: Map<string | number, Child>): void {
    for (let index = parent + 1; this.#isInside(index); index = this.#after(index)) {
      children.set(children.size, { index, offset: startOf(this.#events[index]) });
    }
  }

  #addPairs(parent: number, children: Map<string | number, Child>): void {
    for (let index = parent + 1; this.#isInside(index); ) {
      const key = this.#events[index];
      const value = this.#after(index);
      if (key?.type === EVENT_ID.SCALAR) children.set(getScalarValue(this.#text, key), { index: value, offset: startOf(key) });
      index = this.#after(value);
    }
  }

  #isInside(index: number): boolean {
    const event = this.#events[index];
    return event !== undefined && event.type !== EVENT_ID.POP;
  }

  /** The event after the node that begins at `index`. */
  #after(index: number): number {
    let depth = 0;
    let at = index;
    do {
      const type = this.#events[at]?.type;
      if (type === EVENT_ID.MAPPING || type === EVENT_ID.SEQUENCE) depth++;
      else if (type === EVENT_ID.POP) depth--;
      at++;
    } while (depth > 0);
    return at;
  }
}

function startOf(event: Event | undefined): number {
  switch (event?.type) {
    case EVENT_ID.SCALAR:
      return event.valueStart;
    case EVENT_ID.MAPPING:
    case EVENT_ID.SEQUENCE:
      return event.start;
    case EVENT_ID.ALIAS:
      return event.anchorStart;
    default:
      return -1;
  }
}
