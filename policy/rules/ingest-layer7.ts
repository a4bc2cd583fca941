import { type CiliumPortRule, ciliumHttpRule, readSpec } from '../../kube/index.ts';
import { ingestHttpRule } from '../../l7-filters/http/index.ts';
import { ingestServerName } from '../../l7-filters/tls/index.ts';
import type { Direction, FieldPath, FieldRef, HttpRule, ServerNameRule, SlotRules } from '../../model/index.ts';
import type { Findings } from './findings.ts';

export interface Layer7Context {
  readonly direction: Direction;
  readonly findings: Findings;
  /** The largest RE2 program that Envoy takes, in instructions. */
  readonly regexMaxProgramSize: number;
}

/** What an item of `toPorts` asks for beside ports. */
export type AskedLayer7 =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'rules'; readonly rules: SlotRules }
  /** What is not enforced, or is wrong. It allows nothing. */
  | { readonly kind: 'refused' };

const NOTHING: AskedLayer7 = { kind: 'nothing' };
const REFUSED: AskedLayer7 = { kind: 'refused' };

/** Reads what needs layer 7. A rule that is wrong is told and left out, and those beside it stay. Lists without items ask for nothing. */
export function ingestLayer7(rule: CiliumPortRule, path: FieldPath, context: Layer7Context): AskedLayer7 {
  const { findings, direction } = context;
  const { rules = {}, serverNames = [], terminatingTLS, originatingTLS, listener } = rule;
  const { http = [], ...others } = rules;
  const [kind, otherKind] = Object.keys(rules).filter((name) => name !== 'l7');
  if (otherKind !== undefined) findings.refuse([...path, 'rules', otherKind], `must not stand beside ${kind}`);
  if (listener !== undefined && direction === 'ingress')
    findings.refuse([...path, 'listener'], 'must not stand in a rule for what comes in');
  if (http.length > 0 && serverNames.length > 0 && terminatingTLS === undefined) {
    findings.refuse([...path, 'serverNames'], 'must not stand beside rules without terminatingTLS, as requests cannot be read then');
  }
  const missing = [
    ...Object.entries({ terminatingTLS, originatingTLS, listener }).map(([member, value]) => ({ at: [...path, member], value })),
    ...Object.entries(others).map(([member, value]) => ({ at: [...path, 'rules', member], value })),
  ].filter(({ value }) => value !== undefined && (!Array.isArray(value) || value.length > 0));
  for (const { at } of missing) findings.add(at, 'NeedsLayer7', 'is not enforced yet: allows nothing');
  const requests = ingestHttp(http, [...path, 'rules', 'http'], context);
  const names = ingestServerNames(serverNames, [...path, 'serverNames'], context);
  if (missing.length > 0) return REFUSED;
  if (http.length > 0) return { kind: 'rules', rules: { kind: 'http', rules: requests } };
  return serverNames.length > 0 ? { kind: 'rules', rules: { kind: 'tls', rules: names } } : NOTHING;
}

function ingestHttp(items: readonly unknown[], path: FieldPath, { findings, regexMaxProgramSize }: Layer7Context): readonly HttpRule[] {
  return items.flatMap((raw, index) => {
    const here = [...path, index];
    const reading = readSpec(ciliumHttpRule, raw);
    if (reading.result === 'invalid') return quarantine(here, reading.problems, findings);
    const source: FieldRef = { object: findings.object, path: here };
    const namespace = findings.object.namespace || 'default';
    const read = ingestHttpRule(reading.spec, { source, namespace, maxProgramSize: regexMaxProgramSize });
    return read.result === 'usable' ? read.rule : quarantine(here, read.problems, findings);
  });
}

function ingestServerNames(
  items: readonly unknown[],
  path: FieldPath,
  { findings, regexMaxProgramSize }: Layer7Context,
): readonly ServerNameRule[] {
  return items.flatMap((raw, index) => {
    const here = [...path, index];
    const read =
      typeof raw === 'string' ? ingestServerName(raw, { object: findings.object, path: here }, regexMaxProgramSize) : 'must be a text';
    return typeof read === 'string' ? quarantine(here, [{ path: [], message: read }], findings) : read;
  });
}

function quarantine(path: FieldPath, problems: readonly { readonly path: FieldPath; readonly message: string }[], findings: Findings): [] {
  for (const problem of problems) {
    findings.add(
      [...path, ...problem.path],
      'InvalidLayer7Rule',
      `${problem.message}: this rule allows nothing, those beside it are in force`,
    );
  }
  return [];
}
