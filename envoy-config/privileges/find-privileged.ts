import type { DescField, DescMessage, FileRegistry } from '@bufbuild/protobuf';
import { isMessage } from '@bufbuild/protobuf';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { below, type Path } from '../messages/path.ts';
import { walkMessage } from '../messages/walk-message.ts';
import { holdsText, isPlain, usesOfText } from './by-value/texts.ts';
import { lookAt } from './by-value/uses-of-value.ts';
import type { Privilege } from './privileged/privilege.ts';
import { type PrivilegedUse, useOf } from './privileged-use.ts';
import { EXTENSIONS, FIELDS, HARMLESS, PARTS } from './tables.ts';

/** An extension that nobody has looked at. */
const UNKNOWN: Privilege = { why: 'it is not known to be harmless' };

/**
 * Everything privileged in a resource of Envoy that the operator has not let in, whatever it is wrapped in.
 * @param allowed full names of messages and fields (`Message.field`)
 */
export function findPrivileged(message: ReflectMessage, registry: FileRegistry, allowed: ReadonlySet<string>): readonly PrivilegedUse[] {
  const found: PrivilegedUse[] = [];
  const programs = new Set<Path>();
  walkMessage(message, registry, (visited, path, inAny) => {
    if (isProgram(visited.desc)) programs.add(path);
    const isItsConfig = inAny && path !== undefined && programs.has(path.above) && isPlain(visited.desc.typeName);
    for (const use of usesOf(visited, path, inAny && !isItsConfig)) if (use.never || !allowed.has(use.what)) found.push(use);
    return false;
  });
  return found;
}

/** What is in an Any of a program's is handed to it as it is: nobody else takes it for something. */
function isProgram({ typeName }: DescMessage): boolean {
  return /^envoy\.extensions\.(wasm\.|.*\.dynamic_modules\.)/.test(typeName);
}

function* usesOf(message: ReflectMessage, path: Path, inAny: boolean): Iterable<PrivilegedUse> {
  const { typeName } = message.desc;
  const { extension, part, fields, texts, look } = rulesOf(message.desc);
  if (typeName === AnySchema.typeName && !isMissing(message)) yield useOf(typeName, extension ?? UNKNOWN, path);
  else if (inAny && extension) yield useOf(typeName, extension, path);
  if (part) yield useOf(typeName, part, path);
  for (const [field, privilege] of fields) {
    if (message.isSet(field)) yield useOf(`${typeName}.${field.name}`, privilege, below(path, field.jsonName));
  }
  if (look) yield* look(message.message, path);
  for (const field of texts) if (message.isSet(field)) yield* usesOfText(message, field, path);
}

/** An Any without type or value is as good as none, which is what Envoy takes it for. */
function isMissing({ message: any }: ReflectMessage): boolean {
  return isMessage(any, AnySchema) && any.typeUrl === '' && any.value.length === 0;
}

/** What is to be looked at in messages of one type. */
interface Rules {
  /** Where it stands in an Any. */
  readonly extension: Privilege | undefined;
  /** Wherever it stands. */
  readonly part: Privilege | undefined;
  readonly fields: readonly (readonly [DescField, Privilege])[];
  readonly texts: readonly DescField[];
  readonly look: ReturnType<typeof lookAt>;
}

const KNOWN = new WeakMap<DescMessage, Rules>();

function rulesOf(desc: DescMessage): Rules {
  const known = KNOWN.get(desc);
  if (known) return known;
  const rules = makeRules(desc);
  KNOWN.set(desc, rules);
  return rules;
}

function makeRules(desc: DescMessage): Rules {
  const { typeName } = desc;
  return {
    extension: HARMLESS.has(typeName) ? undefined : (EXTENSIONS.get(typeName) ?? UNKNOWN),
    part: PARTS.get(typeName),
    fields: desc.fields.flatMap((field) => {
      const privilege = FIELDS.get(`${typeName}.${field.name}`);
      return privilege ? [[field, privilege] as const] : [];
    }),
    texts: isPlain(typeName) ? [] : desc.fields.filter(holdsText),
    look: lookAt(desc),
  };
}
