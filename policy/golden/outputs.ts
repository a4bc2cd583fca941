import { dump } from 'js-yaml';
import { describeHttpRule } from '../../l7-filters/http/index.ts';
import {
  ANY,
  type Diagnostic,
  type DirectionPolicy,
  type FieldRef,
  formatField,
  type Identity,
  IP_PROTOCOLS,
  RESERVED_IDENTITIES,
  type Slot,
  type Verdict,
} from '../../model/index.ts';
import { OWN_NODE, type PolicyChange } from '../index.ts';

/** Every file that comes of a case, by name. */
export function outputsOf(change: PolicyChange): ReadonlyMap<string, string> {
  const names = namesOf(change);
  return new Map([
    ['verdicts.yaml', print(verdictTable(change, names))],
    ['slots.yaml', print(Object.fromEntries(change.slots.upserts.map((slot) => [slot.name, describeSlot(slot)])))],
    ['status.yaml', print((change.diagnostics ?? []).map(describeDiagnostic))],
  ]);
}

function print(content: unknown): string {
  return dump(content, { lineWidth: -1, noRefs: true });
}

/** Identities by the pods that bear them, or by their labels. */
function namesOf({ identities, endpoints }: PolicyChange): ReadonlyMap<Identity, string> {
  const names = new Map<Identity, string>();
  for (const { identity, labels } of identities.upserts) names.set(identity, labels.map((label) => label.replace(/^reserved:/, '')).join());
  const pods = Map.groupBy(endpoints.upserts, ({ identity }) => identity);
  for (const [identity, bearing] of pods)
    names.set(
      identity,
      bearing
        .map(({ pod }) => `${pod.namespace}/${pod.name}`)
        .sort()
        .join(', '),
    );
  return names.set(ANY, 'any');
}

/** Whom no policy is about is left out, and so are those of whom nothing is known. */
function verdictTable({ policies }: PolicyChange, names: ReadonlyMap<Identity, string>): object {
  const known = policies.upserts.filter(({ subject }) => subject !== RESERVED_IDENTITIES.init);
  const tables = known.flatMap(({ subject, ingress, egress }): [string, object][] => {
    const directions = Object.entries({ ingress, egress }).filter(([, { defaultDeny, verdicts }]) => defaultDeny || verdicts.length > 0);
    const described = directions.map(([direction, policy]) => [direction, describeDirection(policy, names)]);
    return described.length > 0 ? [[names.get(subject) ?? '', Object.fromEntries(described)]] : [];
  });
  return Object.fromEntries(tables.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function describeDirection({ defaultDeny, verdicts }: DirectionPolicy, names: ReadonlyMap<Identity, string>): object {
  const lines = verdicts.map(({ peer, decision, sources, ...key }): [string, object] => [
    `${names.get(peer)} ${describePorts(key)}`,
    { decision: decision.kind === 'slot' ? decision.slot : decision.kind, from: sources.map(describeSource) },
  ]);
  return { otherwise: defaultDeny ? 'deny' : 'allow', ...Object.fromEntries(lines.sort(([a], [b]) => (a < b ? -1 : 1))) };
}

function describePorts({ protocol, port, portPrefixLength }: Pick<Verdict, 'protocol' | 'port' | 'portPrefixLength'>): string {
  if (protocol === ANY) return 'all';
  const name = Object.entries(IP_PROTOCOLS).find(([, number]) => number === protocol)?.[0] ?? String(protocol);
  if (portPrefixLength === 0) return name;
  const last = port + 2 ** (16 - portPrefixLength) - 1;
  return last === port ? `${name}/${port}` : `${name}/${port}-${last}`;
}

function describeSlot({ rules, allowsAll }: Slot): object {
  const described =
    rules.kind === 'http'
      ? rules.rules.map((rule) => ({ rule: describeHttpRule(rule), from: formatField(rule.source) }))
      : rules.rules.map(({ pattern, source }) => ({ rule: `server name ${pattern}`, from: formatField(source) }));
  return { rules: described, allowsAll: allowsAll.map(describeSource) };
}

function describeDiagnostic({ severity, code, object, path, message }: Diagnostic): object {
  return { [`${severity} ${code}`]: object ? formatField({ object, path }) : '', message };
}

function describeSource(source: FieldRef): string {
  return source === OWN_NODE ? 'the own node' : formatField(source);
}
