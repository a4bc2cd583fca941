import { create, type DescEnum, type DescField, type DescMessage, isMessage, ScalarType } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { AnySchema, anyPack, FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';

/** A number from 0 up to, not including, an end. */
export type Below = (end: number) => number;

export interface Randomness {
  readonly below: Below;
  readonly strings: readonly string[];
  /** What an Any may hold. */
  readonly packable: readonly DescMessage[];
  /** Whether a field is set wherever its message is, unless another of the same oneof has been. */
  readonly always: (field: DescField) => boolean;
}

/** The same numbers for the same seed (mulberry32). */
export function seeded(seed: number): Below {
  let state = seed >>> 0;
  return (end) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
  };
}

/** Sets some of a message's fields, and of those in it, so many levels deep. What canonical JSON could not say is not made. */
export function randomMessage(desc: DescMessage, depth: number, randomness: Randomness): ReflectMessage {
  const message = reflect(desc, create(desc));
  if (isMessage(message.message, AnySchema)) return randomAny(message, depth, randomness);
  for (const field of shuffled(settable(desc), randomness.below)) {
    const isForced = isRequired(field) || randomness.always(field);
    const isTaken = field.oneof !== undefined && message.oneofCase(field.oneof) !== undefined;
    if (!isTaken && (isForced || randomness.below(4) === 0)) setRandom(message, field, depth, randomness);
  }
  return message;
}

function isRequired({ presence, parent }: DescField): boolean {
  return presence === FeatureSet_FieldPresence.LEGACY_REQUIRED || parent.typeName === 'google.protobuf.Value';
}

/** Of the types that JSON has forms of its own for, what every value of the field's type has one for. */
function settable({ typeName, fields }: DescMessage): readonly DescField[] {
  if (typeName === 'google.protobuf.Value') return fields.filter(({ name }) => name === 'string_value');
  if (typeName === 'google.protobuf.Duration' || typeName === 'google.protobuf.Timestamp')
    return fields.filter(({ name }) => name === 'seconds');
  return typeName === 'google.protobuf.FieldMask' ? [] : fields;
}

function randomAny(empty: ReflectMessage, depth: number, randomness: Randomness): ReflectMessage {
  const inner = randomness.packable[randomness.below(randomness.packable.length)];
  return inner && depth > 0 ? reflect(AnySchema, anyPack(inner, randomMessage(inner, depth - 1, randomness).message)) : empty;
}

function setRandom(message: ReflectMessage, field: DescField, depth: number, randomness: Randomness): void {
  if (field.message && depth <= 0) return;
  const value = () => randomValue(field, depth, randomness);
  if (field.fieldKind === 'list') {
    const list = message.get(field);
    for (let count = 1 + randomness.below(2); count > 0; count -= 1) list.add(value());
  } else if (field.fieldKind === 'map') {
    const map = message.get(field);
    for (let count = 1 + randomness.below(2); count > 0; count -= 1) map.set(randomScalar(field.mapKey, false, randomness), value());
  } else {
    message.set(field, value());
  }
}

function randomValue(field: DescField, depth: number, randomness: Randomness): unknown {
  if (field.message) return randomMessage(field.message, depth - 1, randomness);
  if (field.enum) return randomEnum(field.enum, randomness);
  return 'scalar' in field && field.scalar !== undefined
    ? randomScalar(field.scalar, 'longAsString' in field && field.longAsString, randomness)
    : undefined;
}

function randomEnum({ values }: DescEnum, { below }: Randomness): number {
  return values[below(values.length)]?.number ?? 0;
}

function randomScalar(type: ScalarType, longAsString: boolean, { below, strings }: Randomness): unknown {
  switch (type) {
    case ScalarType.STRING:
      return strings[below(strings.length)];
    case ScalarType.BOOL:
      return below(2) === 1;
    case ScalarType.BYTES:
      return Uint8Array.of(below(256), below(256));
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return longAsString ? String(below(1000)) : BigInt(below(1000));
    default:
      return below(1000);
  }
}

function shuffled<T>(items: readonly T[], below: Below): readonly T[] {
  const keyed = items.map((item) => [below(2 ** 30), item] as const);
  return keyed.sort(([left], [right]) => left - right).map(([, item]) => item);
}
