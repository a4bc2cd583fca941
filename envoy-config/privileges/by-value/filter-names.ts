import { below, type Path } from '../../messages/path.ts';
import { type PrivilegedUse, useOf } from '../privileged-use.ts';

/** Filters that are put into listeners of configs are known to routes by their names: those of slots, and ours. */
const OWN = /^(sluice\.|(http|tls)\/(egress|ingress)\/)/;
const WHY = 'a filter by which policies are enforced has this name, and would be switched off or told other rules';

/** Of what routes have filters do otherwise. */
export function usesOfFilterNames(
  { $typeName, typedPerFilterConfig }: { readonly $typeName: string; readonly typedPerFilterConfig: Readonly<Record<string, unknown>> },
  path: Path,
): PrivilegedUse[] {
  const names = Object.keys(typedPerFilterConfig).filter((name) => OWN.test(name));
  const what = `${$typeName}.typed_per_filter_config`;
  return names.map((name) => useOf(what, { why: WHY, never: true }, below(below(path, 'typedPerFilterConfig'), name)));
}
