import type { KubeObject } from '../../kube/index.ts';
import type { Direction, FieldRef, Identity, ObjectRef, PodEndpoint } from '../../model/index.ts';
import { objectKey } from '../../model/index.ts';
import { explainPacket, OWN_NODE, type PolicyEngineOptions } from '../../policy/index.ts';
import { CliError } from '../cli-error.ts';
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
}

/** What decides, and why. */
export interface Decider {
  readonly decision: 'allow' | 'deny';
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
  readonly decision: 'allow' | 'deny';
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
  const at = (party: Party, peer: Party, direction: Direction) => {
    if (!party.endpoint || isItself) return undefined;
    const end = judgeEnd(world, party.endpoint, identityOf(world, peer, family, party.endpoint), direction, packet);
    return { ...end, without: judgeWithout(world, options, { ...question, port }, direction, end) };
  };
  const egress = at(from, to, 'egress');
  const ingress = at(to, from, 'ingress');
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
    decision: egress?.decision === 'deny' || ingress?.decision === 'deny' ? 'deny' : 'allow',
    egress,
    ingress,
    notes,
  };
}

interface Packet {
  readonly protocol: number;
  readonly port: number;
}

type JudgedEnd = Omit<EndVerdict, 'without'>;

function judgeEnd(world: PolicyWorld, endpoint: PodEndpoint, peer: Identity, direction: Direction, packet: Packet): JudgedEnd {
  const policy = world.policy(endpoint.identity);
  if (!policy) throw new CliError('failed', `nothing is known of what holds for ${endpoint.pod.namespace}/${endpoint.pod.name}`);
  const { reason, decision, sources, runnerUp } = explainPacket(policy, { direction, peer, ...packet });
  const about = {
    pod: endpoint.pod,
    peer: world.labelsOf(peer),
    runnerUp: runnerUp && deciderOf(runnerUp.decision.kind, runnerUp.sources),
  };
  if (reason === 'verdict') return { ...about, ...deciderOf(decision, sources) };
  const isolating = world.isolating(endpoint.identity, direction).map((object): FieldRef => ({ object, path: [] }));
  if (reason === 'default-deny') return { ...about, decision: 'deny', reason: 'not-allowed', sources: isolating };
  return { ...about, decision: 'allow', reason: 'unrestricted', sources: [] };
}

/** What is for rules of layer 7 to decide goes no further while there are none. */
function deciderOf(decision: 'allow' | 'deny' | 'slot', sources: readonly FieldRef[]): Decider {
  const isOwnNode = sources.length === 1 && sources[0] === OWN_NODE;
  return { decision: decision === 'allow' ? 'allow' : 'deny', reason: isOwnNode ? 'own-node' : 'rule', sources: isOwnNode ? [] : sources };
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
