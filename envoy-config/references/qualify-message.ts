import type { FileRegistry } from '@bufbuild/protobuf';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import { below, type Path, type Step, stepsOf } from '../messages/path.ts';
import { definingField } from './naming-fields.ts';
import { type ConfigName, type Qualified, qualifyDefinition, qualifyReference, type Refused } from './qualify-names.ts';
import { referencesIn, rewriteReferences } from './references.ts';

export interface NameFinding {
  readonly path: readonly Step[];
  readonly code: Refused['code'];
  readonly message: string;
}

/**
 * Gives a resource of a config, and everything that it refers to, the full names. Where one is not the config's to use the message stays as it
 * was, and all such are told; paths are those of the message as it was.
 */
export function qualifyMessage(message: ReflectMessage, registry: FileRegistry, config: ConfigName): readonly NameFinding[] {
  const findings: NameFinding[] = [];
  const note = (path: Path, { code, message: text }: Refused) => findings.push({ path: stepsOf(path), code, message: text });
  const own = qualifiedName(message, config);
  if (own?.qualified.kind === 'refused') note(below(undefined, own.field.jsonName), own.qualified);
  for (const { to, name, path, implied } of referencesIn(message, registry)) {
    if (implied) continue;
    const qualified = qualifyReference(config, to, name);
    if (qualified.kind === 'refused') note(path, qualified);
  }
  if (findings.length > 0) return findings;
  if (own?.qualified.kind === 'name') message.set(own.field, own.qualified.name);
  rewriteReferences(message, registry, ({ to, name }) => permitted(qualifyReference(config, to, name)));
  return [];
}

function qualifiedName(message: ReflectMessage, config: ConfigName) {
  const defining = definingField(message.desc);
  if (!defining) return undefined;
  const name = message.get(defining.field);
  if (typeof name !== 'string') throw new Error(`the name of a ${message.desc.typeName} is no string`);
  return { field: defining.field, qualified: qualifyDefinition(config, defining.of, name) };
}

function permitted(qualified: Qualified): string {
  if (qualified.kind === 'refused') throw new Error(`refused after it was permitted: ${qualified.message}`);
  return qualified.name;
}
