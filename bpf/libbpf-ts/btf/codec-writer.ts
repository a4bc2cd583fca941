import { roundUp } from '../codec.ts';
import { BpfError } from '../error.ts';
import { type BtfType, unaliased } from './btf.ts';
import { identifierOf } from './identifier.ts';

interface Layout {
  readonly text: string;
  readonly size: number;
  readonly alignment: number;
}

type Enum = Extract<BtfType, { readonly kind: 'enum' }>;
type Aggregate = Extract<BtfType, { readonly members: unknown }>;

const POINTER_BYTES = 8;
const CODECS = new Set(['array', 'bytes', 'perCpu', 'struct', 'u8', 'u16', 'u32', 'u64', 'i8', 'i16', 'i32', 'i64']);
/** Deeper than anybody declares; damaged types may contain themselves. */
const MAX_DEPTH = 32;

/** Writes types of C as codecs: text of TypeScript. What no codec can say, such as a bit field, is written as bytes. */
export class CodecWriter {
  readonly #types: readonly BtfType[];
  readonly #used = new Set<string>();
  readonly #declarations = new Map<string, string>();
  #depth = 0;

  constructor(types: readonly BtfType[]) {
    this.#types = types;
  }

  /** What is to be imported, sorted. */
  get used(): readonly string[] {
    return [...this.#used].sort();
  }

  /** Declarations of the structs and enums that were met, each after those that it needs. */
  get declarations(): readonly string[] {
    return [...this.#declarations.values()];
  }

  /** An expression for the codec of a type. */
  codecOf(type: number): string {
    return this.#layoutOf(type).text;
  }

  /** Notes that something is imported. */
  use(name: string, rest = ''): string {
    this.#used.add(name);
    return `${name}${rest}`;
  }

  #layoutOf(number: number): Layout {
    if (this.#depth > MAX_DEPTH) throw new BpfError('open-failed', 'the types of the object contain themselves');
    this.#depth += 1;
    try {
      return this.#layout(this.#types[unaliased(this.#types, number)]);
    } finally {
      this.#depth -= 1;
    }
  }

  #layout(type: BtfType | undefined): Layout {
    switch (type?.kind) {
      case 'int':
        return this.#integer(type.size, type.isSigned);
      case 'enum':
        this.#declareEnum(type);
        return this.#integer(type.size, type.isSigned);
      case 'pointer':
        return this.#integer(POINTER_BYTES, false);
      case 'array':
        return this.#array(type.element, type.length);
      case 'struct':
        return this.#struct(type);
      case 'union':
        return this.#bytes(type.size, this.#alignmentOf(type));
      default:
        throw new BpfError('open-failed', `a type of the kind ${type?.kind ?? 'unknown'} has no size`);
    }
  }

  #declareEnum({ name, values, size }: Enum): void {
    if (name === '') return;
    // As the codec of its size gives them.
    const members = values.map((value) => `${identifierOf(value.name)}: ${value.value}${size === 8 ? 'n' : ''}`);
    const identifier = this.#nameOf(name);
    this.#declarations.set(identifier, `export const ${identifier} = { ${members.join(', ')} } as const;`);
  }

  #integer(size: number, isSigned: boolean): Layout {
    if (![1, 2, 4, 8].includes(size)) return this.#bytes(size, Math.min(size, 16));
    return { text: this.use(`${isSigned ? 'i' : 'u'}${size * 8}`), size, alignment: size };
  }

  #bytes(size: number, alignment: number): Layout {
    return { text: this.use('bytes', alignment > 1 ? `(${size}, ${alignment})` : `(${size})`), size, alignment };
  }

  /** What is looked at and not written needs nothing, unless it gives something. */
  #look<T>(see: () => T | undefined): T | undefined {
    const [used, declarations] = [[...this.#used], [...this.#declarations]];
    const seen = see();
    if (seen !== undefined) return seen;
    this.#used.clear();
    this.#declarations.clear();
    for (const name of used) this.#used.add(name);
    for (const [name, text] of declarations) this.#declarations.set(name, text);
    return undefined;
  }

  #array(element: number, length: number): Layout {
    const { text, size, alignment } = this.#layoutOf(element);
    if (text === 'u8' || text === 'i8') return this.#bytes(length, 1);
    return { text: this.use('array', `(${text}, ${length})`), size: size * length, alignment };
  }

  #struct(type: Aggregate): Layout {
    const alignment = this.#alignmentOf(type);
    const fields = this.#look(() => this.#fields(type));
    // Packed, or with bit fields.
    if (!fields) return this.#bytes(type.size, alignment);
    const text = this.use('struct', `({ ${fields.join(', ')} })`);
    if (type.name === '') return { text, size: type.size, alignment };
    const name = this.#nameOf(type.name);
    this.#declarations.set(name, `export const ${name} = ${text};`);
    return { text: name, size: type.size, alignment };
  }

  /** A struct may be called as a codec is. */
  #nameOf(name: string): string {
    const identifier = identifierOf(name);
    return CODECS.has(identifier) ? `${identifier}_` : identifier;
  }

  /** Undefined where the members are not where the codec of a struct would put them. */
  #fields({ members, size }: Aggregate): readonly string[] | undefined {
    let end = 0;
    let alignment = 1;
    const fields: string[] = [];
    for (const [index, { name, type, offset, bits }] of members.entries()) {
      const layout = this.#layoutOf(type);
      const at = roundUp(end, layout.alignment);
      if (bits !== 0 || offset !== at * 8) return undefined;
      fields.push(`${name === '' ? `anonymous${index}` : identifierOf(name)}: ${layout.text}`);
      end = at + layout.size;
      alignment = Math.max(alignment, layout.alignment);
    }
    return roundUp(end, alignment) === size ? fields : undefined;
  }

  #alignmentOf({ members, size }: Aggregate): number {
    let alignment = 1;
    this.#look(() => {
      const alignments = members.map(({ type }) => this.#layoutOf(type).alignment);
      const natural = Math.max(1, ...alignments);
      const isPacked = size % natural !== 0 || members.some(({ offset }, index) => (offset / 8) % (alignments[index] ?? 1) !== 0);
      alignment = isPacked ? 1 : natural;
      return undefined;
    });
    return alignment;
  }
}
