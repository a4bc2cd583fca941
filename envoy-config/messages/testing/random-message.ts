import { type DescField, type DescMessage, type FileRegistry, type Message, ScalarType } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { anyPack, FeatureSet_FieldPresence, isWrapperDesc } from '@bufbuild/protobuf/wkt';
import type { Random } from '../../../kube/fuzz/random.ts';
import { isTypedStruct } from '../any-json.ts';

const MAX_DEPTH = 5;
const TEXTS = ['', 'a', 'web', '127.0.0.1', 'x-header', '%REQ(:path)%', 'ü€😀', 'line\nbreak', '"quoted"', '__proto__', '1.5s'] as const;
const DOUBLES = [0, 1, -1.5, 1e300, 5e-324, 100, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] as const;
const FLOATS = [0, 1, -1.5, Math.fround(3.4e38), Math.fround(0.1), Number.NaN, Number.NEGATIVE_INFINITY] as const;
const INT32 = [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)] as const;
const UINT32 = [0, 1, 8080, 2 ** 32 - 1] as const;
const INT64 = [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n] as const;
const UINT64 = [0n, 1n, 2n ** 64n - 1n, 2n ** 53n + 1n] as const;
type Fields = Readonly<Record<string, unknown>>;
const DURATIONS: readonly [Fields, ...Fields[]] = [{}, { seconds: 1n }, { seconds: -3n, nanos: -5_000_000 }, { nanos: 1 }];
const TIMES: readonly [Fields, ...Fields[]] = [{}, { seconds: 1_700_000_000n, nanos: 1 }, { seconds: -62_135_596_800n }];

/** Messages of random content that canonical JSON can hold: any field, at any depth to five, and any message in an Any but a TypedStruct. */
export class RandomMessages {
  readonly #random: Random;
  readonly #types: readonly [DescMessage, ...DescMessage[]];

  constructor(registry: FileRegistry, random: Random) {
    this.#random = random;
    const [first, ...others] = [...registry].filter((type) => type.kind === 'message').filter(({ typeName }) => !isTypedStruct(typeName));
    if (!first) throw new Error('the registry has no messages');
    this.#types = [first, ...others];
  }

  of(schema: DescMessage): Message {
    return this.#make(schema, 0).message;
  }

  #make(schema: DescMessage, depth: number): ReflectMessage {
    return this.#wellKnown(schema, depth) ?? this.#plain(schema, depth);
  }

  #plain(schema: DescMessage, depth: number): ReflectMessage {
    const message = reflect(schema);
    // Large messages would grow without bound if as many of their fields were set as of small ones.
    const chance = Math.min(0.7, 6 / (schema.fields.length + 1)) / (depth + 1);
    for (const field of schema.fields) {
      const required = field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED || isWrapperDesc(schema);
      if (required || (depth < MAX_DEPTH && this.#random.chance(chance))) this.#fill(message, field, depth);
    }
    return message;
  }

  #fill(message: ReflectMessage, field: DescField, depth: number): void {
    const count = this.#random.below(3);
    if (field.fieldKind === 'list') {
      for (let index = 0; index < count; index++) message.get(field).add(this.#value(field, depth));
    } else if (field.fieldKind === 'map') {
      for (let index = 0; index < count; index++) message.get(field).set(this.#scalar(field.mapKey), this.#value(field, depth));
    } else {
      message.set(field, this.#value(field, depth));
    }
  }

  #value(field: DescField, depth: number): unknown {
    if (field.message) return this.#make(field.message, depth + 1);
    if (field.enum) return field.enum.values[this.#random.below(field.enum.values.length)]?.number ?? 0;
    return this.#scalar(field.scalar);
  }

  #scalar(type: ScalarType): unknown {
    const random = this.#random;
    switch (type) {
      case ScalarType.STRING:
        return random.pick(TEXTS);
      case ScalarType.BYTES:
        return Uint8Array.from({ length: random.below(5) }, () => random.below(256));
      case ScalarType.BOOL:
        return random.chance(0.5);
      case ScalarType.DOUBLE:
        return random.pick(DOUBLES);
      case ScalarType.FLOAT:
        return random.pick(FLOATS);
      case ScalarType.INT32:
      case ScalarType.SINT32:
      case ScalarType.SFIXED32:
        return random.pick(INT32);
      case ScalarType.UINT32:
      case ScalarType.FIXED32:
        return random.pick(UINT32);
      case ScalarType.UINT64:
      case ScalarType.FIXED64:
        return random.pick(UINT64);
      default:
        return random.pick(INT64);
    }
  }

  /** Types of which not every content has a form in JSON. */
  #wellKnown(schema: DescMessage, depth: number): ReflectMessage | undefined {
    switch (schema.typeName) {
      case 'google.protobuf.Any': {
        const inner = this.#make(this.#random.pick(this.#types), depth + 1);
        return reflect(schema, anyPack(inner.desc, inner.message));
      }
      case 'google.protobuf.Duration':
        return this.#fields(schema, this.#random.pick(DURATIONS));
      case 'google.protobuf.Timestamp':
        return this.#fields(schema, this.#random.pick(TIMES));
      case 'google.protobuf.FieldMask':
        return this.#mask(schema);
      case 'google.protobuf.Value':
        return this.#oneKind(schema, depth);
      default:
        return undefined;
    }
  }

  #fields(schema: DescMessage, values: Fields): ReflectMessage {
    const message = reflect(schema);
    for (const field of schema.fields) if (field.name in values) message.set(field, values[field.name]);
    return message;
  }

  #mask(schema: DescMessage): ReflectMessage {
    const message = reflect(schema);
    for (const field of schema.fields) {
      if (field.fieldKind === 'list' && this.#random.chance(0.5)) message.get(field).add(this.#random.pick(['a', 'a.b_c', 'stat_prefix']));
    }
    return message;
  }

  /** A Value is always of some kind; its numbers are finite. */
  #oneKind(schema: DescMessage, depth: number): ReflectMessage {
    const message = reflect(schema);
    const kinds = depth < MAX_DEPTH ? schema.fields : schema.fields.filter(({ message: inner }) => !inner);
    const field = kinds[this.#random.below(kinds.length)];
    if (field) message.set(field, field.scalar === ScalarType.DOUBLE ? this.#random.pick([0, 1, -2.5]) : this.#value(field, depth));
    return message;
  }
}
