import type { FileRegistry } from '@bufbuild/protobuf';
import type { Privilege } from './privileged/privilege.ts';
import { EXTENSIONS, FIELDS, HARMLESS, PARTS, VALUES } from './tables.ts';

/** An entry of the operator's list that lets nothing in. */
export interface UselessPrivilege {
  readonly name: string;
  /** `unknown`: Envoy has no such message or field. `never`: no list lets it in. `harmless`: it needs no permission. */
  readonly problem: 'unknown' | 'never' | 'harmless';
}

/** @param list full names of messages and fields (`Message.field`) */
export function uselessPrivileges(list: Iterable<string>, registry: FileRegistry): readonly UselessPrivilege[] {
  return [...new Set(list)].flatMap((name) => {
    const problem = problemOf(name, registry);
    return problem ? [{ name, problem }] : [];
  });
}

function problemOf(name: string, registry: FileRegistry): UselessPrivilege['problem'] | undefined {
  if (registry.getMessage(name)) {
    const privilege = PARTS.get(name) ?? EXTENSIONS.get(name);
    return privilege ? neverOf(privilege) : HARMLESS.has(name) ? 'harmless' : undefined;
  }
  if (!isField(name, registry)) return 'unknown';
  const privilege = FIELDS.get(name) ?? VALUES.get(name);
  return privilege ? neverOf(privilege) : 'harmless';
}

function neverOf({ never }: Privilege): 'never' | undefined {
  return never ? 'never' : undefined;
}

function isField(name: string, registry: FileRegistry): boolean {
  const dot = name.lastIndexOf('.');
  const fields = registry.getMessage(name.slice(0, dot))?.fields ?? [];
  return fields.some((field) => field.name === name.slice(dot + 1));
}
