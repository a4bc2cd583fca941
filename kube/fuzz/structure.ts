import { dump, load } from 'js-yaml';
import type { Random } from './random.ts';

/** A field of a mapping or an item of a list. */
interface Slot {
  readonly parent: object;
  readonly key: string;
}

/** A manifest as data that can be changed in random places. */
export class Structure {
  readonly #root: unknown;
  readonly #random: Random;

  constructor(manifest: string, random: Random) {
    this.#root = load(manifest);
    this.#random = random;
  }

  /** Changes a random value, of any depth. */
  replace(change: (value: unknown) => unknown, eligible: (value: unknown) => boolean = () => true): void {
    const slot = this.#pick((value) => eligible(value));
    if (slot) Reflect.set(slot.parent, slot.key, change(Reflect.get(slot.parent, slot.key)));
  }

  remove(): void {
    const slot = this.#pick(() => true);
    if (!slot) return;
    if (Array.isArray(slot.parent)) slot.parent.splice(Number(slot.key), 1);
    else Reflect.deleteProperty(slot.parent, slot.key);
  }

  rename(change: (key: string) => string): void {
    const slot = this.#pick((_, parent) => !Array.isArray(parent));
    if (!slot) return;
    const value: unknown = Reflect.get(slot.parent, slot.key);
    Reflect.deleteProperty(slot.parent, slot.key);
    Object.defineProperty(slot.parent, change(slot.key), { value, enumerable: true, configurable: true, writable: true });
  }

  /** As YAML or as JSON, by chance. */
  print(): string {
    return this.#random.chance(0.5) ? dump(this.#root, { noRefs: true }) : `${JSON.stringify(this.#root, null, 2)}\n`;
  }

  #pick(eligible: (value: unknown, parent: object) => boolean): Slot | undefined {
    const slots = [...slotsIn(this.#root)].filter(({ parent, key }) => eligible(Reflect.get(parent, key), parent));
    return slots[this.#random.below(slots.length)];
  }
}

function* slotsIn(value: unknown): Generator<Slot> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    yield { parent: value, key };
    yield* slotsIn(inner);
  }
}
