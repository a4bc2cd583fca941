import {
  type CiliumClusterwideNetworkPolicy,
  type CiliumNetworkPolicy,
  type CiliumPolicySpec,
  ciliumPolicySpec,
  readSpec,
  refOf,
} from '../../kube/index.ts';
import { type Direction, type FieldPath, objectKey } from '../../model/index.ts';
import { ANY_SOURCE, KUBERNETES, NAMESPACE_KEY, parseLabelKey, RESERVED } from '../labels/label.ts';
import { type LabelSelector, type Requirement, requireLabel, selectorKey } from '../labels/selector.ts';
import { Findings } from './findings.ts';
import { ingestCiliumPeers, type PeerContext } from './ingest-cilium-peers.ts';
import { ingestCiliumPorts, isWithoutPorts } from './ingest-cilium-ports.ts';
import { ingestSelector, readableRequirements } from './ingest-selector.ts';
import { type PlainRule, rulesOf } from './plain-rule.ts';
import { hasItems, hasOnlyKeys, property } from './raw.ts';
import { type DirectionRules, type IngestedPolicy, NO_RULES, type PolicyUnit, peerKey, type Rule } from './rule.ts';
import type { Services } from './services.ts';

export interface CiliumPolicyContext {
  /** The name of the cluster, of which the entity `cluster` is. */
  readonly cluster: string;
  readonly services: Services;
  /** The largest RE2 program that Envoy takes, in instructions. */
  readonly regexMaxProgramSize: number;
}

const NAMESPACE = { source: KUBERNETES, key: NAMESPACE_KEY };

/** One of the rule sets of a policy, as it is written. */
interface RawSpec {
  readonly path: FieldPath;
  readonly raw: unknown;
}

/**
 * Reads a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy. One that is wrong anywhere allows nothing in any of its rule sets, and
 * isolates what these select, as far as that can be read; denials that cannot be read deny everything.
 * @see https://docs.cilium.io/en/stable/security/policy/language/
 */
export function ingestCiliumPolicy(
  policy: CiliumNetworkPolicy | CiliumClusterwideNetworkPolicy,
  context: CiliumPolicyContext,
): IngestedPolicy {
  const findings = new Findings(refOf(policy));
  const specs = specsOf(policy, findings);
  const units = specs.flatMap((spec) => ingestSpec(spec, context, findings) ?? []);
  const inForce = findings.isRefused ? specs.flatMap((spec) => refusedUnit(spec, findings) ?? []) : units;
  return { units: inForce, diagnostics: findings.diagnostics };
}

function specsOf({ spec, specs }: CiliumNetworkPolicy | CiliumClusterwideNetworkPolicy, findings: Findings): RawSpec[] {
  const one: RawSpec[] = spec === undefined ? [] : [{ path: ['spec'], raw: spec }];
  if (specs !== undefined && !Array.isArray(specs)) findings.refuse(['specs'], 'must be a list');
  const many = Array.isArray(specs) ? specs.map((raw: unknown, index): RawSpec => ({ path: ['specs', index], raw })) : [];
  if (one.length + many.length === 0 && !findings.isRefused) findings.refuse(['spec'], 'is required');
  return [...one, ...many];
}

function ingestSpec({ path, raw }: RawSpec, context: CiliumPolicyContext, findings: Findings): PolicyUnit | undefined {
  const reading = readSpec(ciliumPolicySpec, raw);
  if (reading.result === 'invalid') {
    for (const problem of reading.problems) findings.refuse([...path, ...problem.path], problem.message);
    return undefined;
  }
  const { spec } = reading;
  if (spec.endpointSelector && spec.nodeSelector) findings.refuse([...path, 'nodeSelector'], 'must not stand beside endpointSelector');
  else if (spec.nodeSelector) {
    findings.add([...path, 'nodeSelector'], 'HostPolicyNotEnforced', 'selects nodes, which have no endpoint here: nothing is enforced');
  } else if (!spec.endpointSelector) findings.refuse(path, 'must have an endpointSelector or a nodeSelector');
  if (!spec.endpointSelector) return undefined;
  const { object } = findings;
  const own = ingestSelector(spec.endpointSelector, [...path, 'endpointSelector'], parseLabelKey, findings);
  noteForeignNamespace(own, [...path, 'endpointSelector'], findings);
  const selectsInit = own.some(({ source, key }) => source === RESERVED && key === 'init');
  const subject = subjectOf(object.namespace, own);
  // Rule sets of a list have no other name that lasts when it is written in another order.
  const clauseOf = path.length > 1 ? `${objectKey(object)} ${selectorKey(subject)}` : objectKey(object);
  const peers = { namespace: object.namespace, selectsInit, findings, clauseOf, ...context };
  return {
    key: `${objectKey(object)} ${path.join('.')}`,
    object,
    subject,
    ingress: ingestDirection('ingress', spec, path, peers),
    egress: ingestDirection('egress', spec, path, peers),
  };
}

/** A policy of a namespace selects in its own, whatever it says of namespaces. */
function subjectOf(namespace: string, requirements: readonly Requirement[]): LabelSelector {
  if (namespace === '') return { requirements };
  return { requirements: [requireLabel(NAMESPACE, 'In', [namespace]), ...requirements.filter((asked) => !isNamespaceMatch(asked))] };
}

function isNamespaceMatch({ source, key, operator, values }: Requirement): boolean {
  return (source === KUBERNETES || source === ANY_SOURCE) && key === NAMESPACE_KEY && operator === 'In' && values.length === 1;
}

function noteForeignNamespace(requirements: readonly Requirement[], path: FieldPath, findings: Findings): void {
  const { namespace } = findings.object;
  const foreign = requirements.find((asked) => isNamespaceMatch(asked) && !asked.values.includes(namespace));
  if (namespace === '' || !foreign) return;
  findings.add(path, 'NamespaceIgnored', `names the namespace ${JSON.stringify(foreign.values[0])}, but selects in ${namespace}`);
}

interface RuleContext extends PeerContext {
  readonly regexMaxProgramSize: number;
  /** What its clauses have in common with those of no other rule set. */
  readonly clauseOf: string;
}

type DirectionContext = Omit<RuleContext, 'action'>;

function ingestDirection(direction: Direction, spec: CiliumPolicySpec, path: FieldPath, context: DirectionContext): DirectionRules {
  const allowing = rulesOf(direction, spec, direction);
  const denying = rulesOf(direction, spec, `${direction}Deny`);
  const isolates = spec.enableDefaultDeny?.[direction] ?? allowing.length + denying.length > 0;
  const ingest = (action: Rule['action'], name: string) => (rule: PlainRule, index: number) =>
    ingestRule(direction, rule, [...path, name, index], { ...context, action });
  const rules = [...allowing.flatMap(ingest('allow', direction)), ...denying.flatMap(ingest('deny', `${direction}Deny`))];
  return { isolates, closed: closes(direction, spec, path, context.findings), rules };
}

/** Requirements narrow what all other rules allow, so without them nothing may be allowed. */
function closes(direction: Direction, spec: CiliumPolicySpec, path: FieldPath, findings: Findings): boolean {
  let closed = false;
  const member = direction === 'ingress' ? 'fromRequires' : 'toRequires';
  for (const name of [direction, `${direction}Deny`] as const) {
    for (const [index, rule] of (spec[name] ?? []).entries()) {
      const required: unknown = property(rule, member);
      if (!hasItems(required)) continue;
      closed = true;
      findings.add([...path, name, index, member], 'PeerNotEnforced', 'requirements are not enforced: all is denied in this direction');
    }
  }
  return closed;
}

/** One for all that it asks nothing of, and one for each item of `toPorts` that asks for something. */
function ingestRule(direction: Direction, rule: PlainRule, path: FieldPath, context: RuleContext): Rule[] {
  const { findings, action, clauseOf, regexMaxProgramSize } = context;
  const { toPorts, icmps, authentication, members, names } = rule;
  const said = ingestCiliumPeers(members, names, path, context);
  const clauses = ingestCiliumPorts(toPorts, icmps, path, { direction, findings, regexMaxProgramSize });
  if (members.services?.length && toPorts?.length) findings.refuse([...path, 'toPorts'], 'must not stand beside toServices');
  const isAuthenticated = authentication !== undefined && authentication.mode !== 'disabled';
  if (isAuthenticated) {
    findings.add([...path, 'authentication'], 'AuthenticationNotEnforced', 'mutual authentication is not enforced yet: allows nothing');
  }
  // A rule that says nothing at all means nobody; with it all is denied by default.
  const unsaid = isWithoutPorts(toPorts, icmps) ? [] : 'any';
  const meant = said === 'unsaid' ? unsaid : said;
  const peers = isAuthenticated ? [] : meant;
  const { object } = findings;
  return clauses.map(({ ports, layer7 }) => {
    if (!layer7) return { direction, action, peers, ports, source: { object, path } };
    const clause = clauseKey([clauseOf, direction, layer7.rules.kind], peers, ports);
    return { direction, action, peers, ports, layer7: { clause, rules: layer7.rules }, source: { object, path: layer7.path } };
  });
}

function clauseKey(of: readonly string[], peers: Rule['peers'], ports: Rule['ports']): string {
  const whom = peers === 'any' ? peers : distinct(peers.map(peerKey));
  const where = ports === 'any' ? ports : distinct(ports.map((port) => JSON.stringify(port)));
  return JSON.stringify([...of, whom, where]);
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}

const SPEC_KEYS: readonly string[] = Object.keys(ciliumPolicySpec.shape);

/** Isolates in the directions that the rule set has; where they cannot be read, in both. Undefined for one that selects no endpoints. */
function refusedUnit({ path, raw }: RawSpec, { object }: Findings): PolicyUnit | undefined {
  const selector = property(raw, 'endpointSelector');
  if (selector === undefined || selector === null) return undefined;
  return {
    key: `${objectKey(object)} ${path.join('.')}`,
    object,
    subject: subjectOf(object.namespace, readableRequirements(selector, parseLabelKey)),
    ingress: refusedDirection('ingress', raw),
    egress: refusedDirection('egress', raw),
  };
}

function refusedDirection(direction: Direction, raw: unknown): DirectionRules {
  const enabled = property(property(raw, 'enableDefaultDeny'), direction);
  const closed = hasItems(property(raw, `${direction}Deny`));
  const isMeant = closed || hasItems(property(raw, direction)) || !hasOnlyKeys(raw, SPEC_KEYS);
  const isolates = typeof enabled === 'boolean' ? enabled : isMeant;
  return isolates || closed ? { isolates, closed, rules: [] } : NO_RULES;
}
