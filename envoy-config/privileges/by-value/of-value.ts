import type { Path } from '../../messages/path.ts';
import { type PrivilegedUse, useOf } from '../privileged-use.ts';
import { VALUES } from '../tables.ts';

/** @throws Error where the table does not have the name */
export function ofValue(what: string, path: Path): PrivilegedUse {
  const privilege = VALUES.get(what);
  if (!privilege) throw new Error(`${what} is in no table of privileged values`);
  return useOf(what, privilege, path);
}
