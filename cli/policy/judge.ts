import type { KubeObject } from '../../kube/index.ts';
import type { HttpRequest } from '../../l7-filters/http/index.ts';
import type { Direction, FieldRef, Identity, ObjectRef, PodEndpoint } from '../../model/index.ts';
import { objectKey } from '../../model/index.ts';
import { explainPacket, OWN_NODE, type PolicyEngineOptions, VISIBILITY } from '../../policy/index.ts';
import { CliError } from '../cli-error.ts';
import { hearBeyond, judgeSlot, type Layer7Report, type Talk } from './layer7.ts';
import { findParty, identityOf, type Party, podWithLabels } from './party.ts';
import type { PartyName } from './party-name.ts';
import { type Family, familyOf, PolicyWorld } from './policy-world.ts';

export interface VerdictQuestion {
  readonly from: PartyName;
  readonly to: PartyName;
  /** IP protocol number. */
  readonly protocol: number;
  /** Destination port, also by the name that the receiving pod has for it; the type for ICMP. */
  readonly port: number | string;
  /** What is said once the connection is there; by default nothing. */
  readonly talk?: Talk;
}

/** What decides, and why. */
export interface Decider {
  /** `slot`: rules of layer 7 do. */
  readonly decision: 'allow' | 'deny' | 'slot';
  /**
   * `rule`: `sources` decide. `not-allowed`: no rule allows it, and the policies in `sources` let through nothing else.
   * `unrestricted`: no policy is about the pod in this direction. `own-node`: the pod's own node is always let through.
   */
  readonly reason: 'rule' | 'not-allowed' | 'unrestricted' | 'own-node';
  readonly sources: readonly FieldRef[];
}

/** What is decided at one end. */
export interface EndVerdict extends Decider {
  readonly pod: ObjectRef;
  /** Labels of whom the pod takes the other end for. */
  readonly peer: readonly string[];
  /** What matched too, and was weaker. */
  readonly runnerUp: Decider | undefined;
  /** What would decide if the objects in `sources` were not there; undefined where no rule decides. */
  readonly without: Decider | undefined;
  /** Where rules of layer 7 decide. */
  readonly layer7: Layer7Report | undefined;
  /** Whether the pod is in audit mode: what is denied passes, and is told of. */
  readonly audits: boolean;
}

export interface PartyReport {
  readonly name: string;
  readonly labels: readonly string[];
}

export interface PolicyVerdict {
  readonly from: PartyReport;
  readonly to: PartyReport;
  readonly protocol: number;
  readonly port: number;
  /** As it was judged, where one was given. */
  readonly request?: HttpRequest;
  /** `asked`: rules of layer 7 decide, and nothing was said that they could judge. `unknown`: it depends on a Secret. */
  readonly decision: 'allow' | 'deny' | 'asked' | 'unknown';
  /** Of the sender; undefined where it is no pod whose packets are judged. */
  readonly egress: EndVerdict | undefined;
  /** Of the receiver. */
  readonly ingress: EndVerdict | undefined;
  readonly notes: readonly string[];
}

const NOBODYS = 'neither end is a pod whose packets are judged';

/**
 * Says whether policies let a packet that opens a connection through, at both ends that it passes.
 * @throws CliError for parties or ports that are not there
 */
export function judge(objects: readonly KubeObject[], options: PolicyEngineOptions, question: VerdictQuestion): PolicyVerdict {
  const assumed = [question.from, question.to].flatMap((name) => (name.kind === 'labels' ? podWithLabels(name.labels) : []));
  const world = new PolicyWorld([...objects, ...assumed], options);
  const from = findParty(world, question.from);
  const to = findParty(world, question.to);
  const family = familyBetween(from, to);
  const port = typeof question.port === 'number' ? question.port : portNamed(world, to, question.port);
  const packet = { protocol: question.protocol, port };
  // Of labels there may be many pods.
  const isOne = question.from.kind !== 'labels' && question.to.kind !== 'labels';
  const isItself = isOne && from.endpoint !== undefined && from.endpoint === to.endpoint;
  const at = (party: Party, peer: Party, direction: Direction, talk: Talk | undefined) => {
    if (!party.endpoint || isItself) return undefined;
    const end = judgeEnd(world, party.endpoint, identityOf(world, peer, family, party.endpoint), direction, {
      ...packet,
      talk,
    });
    return { ...end, without: judgeWithout(world, options, { ...question, port }, direction, end) };
  };
  const egress = at(from, to, 'egress', question.talk);
  const passed = egress?.layer7 && !egress.audits ? world.slot(egress.layer7.slot) : undefined;
  const ingress = at(to, from, 'ingress', question.talk && passed ? hearBeyond(passed, question.talk) : question.talk);
  const isNobodys = !from.endpoint && !to.endpoint;
  const notes = [
    ...new Set([...from.notes, ...to.notes]),
    ...(isItself ? ['a pod always reaches itself'] : []),
    ...(isNobodys ? [NOBODYS] : []),
  ];
  return {
    from: reportOf(world, from, family, to),
    to: reportOf(world, to, family, from),
    ...packet,
    ...(question.talk?.request && { request: question.talk.request }),
    decision: weakest([egress, ingress]),
    egress,
    ingress,
    notes,
  };
}

/** What passes both ends is what each lets through. */
function weakest(ends: readonly (EndVerdict | undefined)[]): PolicyVerdict['decision'] {
  const decisions = ends.map((end) => {
    if (!end || end.audits) return 'allow';
    return end.layer7?.decision ?? (end.decision === 'deny' ? 'deny' : 'allow');
  });
  return (['deny', 'unknown', 'asked'] as const).find((decision) => decisions.includes(decision)) ?? 'allow';
}

interface Packet {
  readonly protocol: number;
  readonly port: number;
  readonly talk?: Talk | undefined;
}

type JudgedEnd = Omit<EndVerdict, 'without'>;

function judgeEnd(
  world: PolicyWorld,
  endpoint: PodEndpoint,
  peer: Identity,
  direction: Direction,
  { talk = {}, ...packet }: Packet,
): JudgedEnd {
  const policy = world.policy(endpoint.identity);
  if (!policy) throw new CliError('failed', `nothing is known of what holds for ${endpoint.pod.namespace}/${endpoint.pod.name}`);
  const { reason, decision, verdict, sources, runnerUp } = explainPacket(policy, { direction, peer, ...packet });
  const slot = verdict?.decision.kind === 'slot' ? world.slot(verdict.decision.slot) : undefined;
  const about = {
    pod: endpoint.pod,
    peer: world.labelsOf(peer),
    runnerUp: runnerUp && deciderOf(runnerUp.decision.kind, runnerUp.sources),
    layer7: slot && judgeSlot(slot, talk),
    audits: policy.audits ?? false,
  };
  if (reason === 'verdict') return { ...about, ...deciderOf(decision, sources) };
  const isolating = world.isolating(endpoint.identity, direction).map((object): FieldRef => ({ object, path: [] }));
  if (reason === 'default-deny') return { ...about, decision: 'deny', reason: 'not-allowed', sources: isolating };
  return { ...about, decision: 'allow', reason: 'unrestricted', sources: [] };
}

function deciderOf(decision: Decider['decision'], sources: readonly FieldRef[]): Decider {
  const rules = sources.filter((source) => source !== OWN_NODE && source !== VISIBILITY);
  if (rules.length > 0) return { decision, reason: 'rule', sources: rules };
  return { decision, reason: sources.includes(VISIBILITY) ? 'unrestricted' : 'own-node', sources: [] };
}

function judgeWithout(
  world: PolicyWorld,
  options: PolicyEngineOptions,
  question: VerdictQuestion & Packet,
  direction: Direction,
  { reason, sources }: JudgedEnd,
): Decider | undefined {
  if (reason !== 'rule') return undefined;
  const deciding = new Set(sources.map(({ object }) => objectKey(object)));
  const rest = new PolicyWorld(
    world.objects.filter(({ kind, metadata: { namespace, name } }) => !deciding.has(objectKey({ kind, namespace, name }))),
    options,
  );
  const from = findParty(rest, question.from);
  const to = findParty(rest, question.to);
  const [party, peer] = direction === 'egress' ? [from, to] : [to, from];
  if (!party.endpoint) return undefined;
  const end = judgeEnd(rest, party.endpoint, identityOf(rest, peer, familyBetween(from, to), party.endpoint), direction, question);
  return { decision: end.decision, reason: end.reason, sources: end.sources };
}

/** @throws CliError where the two have none in common */
function familyBetween(from: Party, to: Party): Family {
  const familiesOf = ({ addresses, title }: Party): readonly Family[] => {
    if (addresses.length > 0) return addresses.map(familyOf);
    if (title === 'world-ipv4') return [4];
    return title === 'world-ipv6' ? [6] : [4, 6];
  };
  const family = familiesOf(from).find((each) => familiesOf(to).includes(each));
  if (family === undefined) throw new CliError('failed', `${from.title} and ${to.title} have no IP family in common`);
  return family;
}

/** @throws CliError where the receiver has no port of this name */
function portNamed(world: PolicyWorld, { endpoint, title }: Party, name: string): number {
  const ports = (endpoint && world.pod(endpoint.pod.namespace, endpoint.pod.name)?.spec.ports) ?? [];
  const found = ports.find((port) => port.name === name);
  if (found) return found.number;
  const known = ports.length > 0 ? `it has ${ports.map((port) => port.name).join(', ')}` : 'it names none';
  throw new CliError('failed', `${title} has no port ${JSON.stringify(name)}: ${known}`);
}

function reportOf(world: PolicyWorld, party: Party, family: Family, other: Party): PartyReport {
  const identity = party.endpoint?.identity ?? (other.endpoint && identityOf(world, party, family, other.endpoint));
  return { name: party.title, labels: identity === undefined ? [] : world.labelsOf(identity) };
}
