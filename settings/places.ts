import { EVENT_ID, type Event, getScalarValue, parseEvents } from 'js-yaml';

/** A place in a text; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export type Path = readonly PropertyKey[];

/** Where each field of a YAML text stands. */
export interface Places {
  /** The key or item at a path, or the nearest thing around it that is there. */
  find(path: Path): Place;
}

/** @throws YAMLException where the text is not YAML */
export function placesOf(text: string): Places {
  const offsets = new Map<string, number>();
  walk(parseEvents(text, {}), text, offsets);
  return {
    find(path) {
      for (let length = path.length; length > 0; length--) {
        const offset = offsets.get(keyOf(path.slice(0, length)));
        if (offset !== undefined) return placeAt(text, offset);
      }
      return { line: 1, column: 1 };
    },
  };
}

export function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}

function walk(events: readonly Event[], text: string, offsets: Map<string, number>): void {
  let at = 0;
  const take = (): Event | undefined => events[at++];
  const node = (path: Path): void => {
    const event = take();
    if (event?.type === EVENT_ID.MAPPING) mapping(path);
    else if (event?.type === EVENT_ID.SEQUENCE) sequence(path);
  };
  const mapping = (path: Path): void => {
    while (events[at] && events[at]?.type !== EVENT_ID.POP) {
      const key = events[at];
      const inner = [...path, key?.type === EVENT_ID.SCALAR ? getScalarValue(text, key) : ''];
      if (key?.type === EVENT_ID.SCALAR) offsets.set(keyOf(inner), key.valueStart);
      node([...path, '']);
      node(inner);
    }
    take();
  };
  const sequence = (path: Path): void => {
    for (let index = 0; events[at] && events[at]?.type !== EVENT_ID.POP; index++) {
      offsets.set(keyOf([...path, index]), startOf(events[at]));
      node([...path, index]);
    }
    take();
  };
  while (at < events.length) {
    take();
    if (events[at]?.type !== EVENT_ID.POP) node([]);
    take();
  }
}

function startOf(event: Event | undefined): number {
  if (event?.type === EVENT_ID.SCALAR) return event.valueStart;
  if (event?.type === EVENT_ID.MAPPING || event?.type === EVENT_ID.SEQUENCE) return event.start;
  return 0;
}

function keyOf(path: Path): string {
  return JSON.stringify(path.map(String));
}
