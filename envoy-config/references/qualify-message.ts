import type { FileRegistry } from '@bufbuild/protobuf';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import { below, type Path, type Step, stepsOf } from '../messages/path.ts';
import { definingField } from './naming-fields.ts';
import { type ConfigName, qualifyDefinition, qualifyReference, type Refused } from './qualify-names.ts';
import { rewriteReferences } from './references.ts';

export interface NameFinding {
  readonly path: readonly Step[];
  readonly code: Refused['code'];
  readonly message: string;
}

/**
 * Gives a resource of a config, and everything that it refers to, the full names. One that is not the config's to use stays as it was
 * written, and all such are told; paths are those of the message as it was.
 */
export function qualifyMessage(message: ReflectMessage, registry: FileRegistry, config: ConfigName): readonly NameFinding[] {
  const findings: NameFinding[] = [];
  const note = (path: Path, { code, message: text }: Refused) => findings.push({ path: stepsOf(path), code, message: text });
  const own = qualifiedName(message, config);
  if (own?.qualified.kind === 'refused') note(below(undefined, own.field.jsonName), own.qualified);
  if (own?.qualified.kind === 'name') message.set(own.field, own.qualified.name);
  rewriteReferences(message, registry, ({ to, name, path }) => {
    const qualified = qualifyReference(config, to, name);
    if (qualified.kind === 'name') return qualified.name;
    note(path, qualified);
    return name;
  });
  return findings;
}

function qualifiedName(message: ReflectMessage, config: ConfigName) {
  const defining = definingField(message.desc);
  if (!defining) return undefined;
  const name = message.get(defining.field);
  if (typeof name !== 'string') throw new Error(`the name of a ${message.desc.typeName} is no string`);
  return { field: defining.field, qualified: qualifyDefinition(config, defining.of, name) };
}
