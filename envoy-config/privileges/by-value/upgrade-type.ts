import { below, type Path } from '../../messages/path.ts';
import type { PrivilegedUse } from '../privileged-use.ts';
import { ofValue } from './of-value.ts';

/** `CONNECT`, `CONNECT-UDP` and what else begins so, as Envoy reads it: whatever the case. WebSockets and others go to where a route says, as requests do. */
export function usesOfUpgrade(
  { $typeName, upgradeType }: { readonly $typeName: string; readonly upgradeType: string },
  path: Path,
): PrivilegedUse[] {
  return /^\s*connect/i.test(upgradeType) ? [ofValue(`${$typeName}.upgrade_type`, below(path, 'upgradeType'))] : [];
}
