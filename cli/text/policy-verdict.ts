import type { Direction } from '../../model/index.ts';
import type { Decider, EndVerdict, PartyReport, PolicyVerdict } from '../policy/judge.ts';
import { formatSource, type Locate } from './place.ts';
import { formatProtocol } from './protocol.ts';

const LABEL_WIDTH = 13;
/** Labels that every pod has, or that repeat its namespace. */
const SELF_EVIDENT =
  /^k8s:io\.cilium\.k8s\.(?:policy\.(?:cluster|serviceaccount)=default$|namespace\.labels\.kubernetes\.io\/metadata\.name=)/;

/** A verdict as a column of ends, each with the rules behind it. */
export function formatPolicyVerdict(verdict: PolicyVerdict, locate: Locate): string {
  const { from, to, egress, ingress, notes } = verdict;
  const lines = [
    `${from.name} → ${to.name}, ${formatPort(verdict)}`,
    step('from', formatLabels(from)),
    step('to', formatLabels(to)),
    ...formatEnd('egress', egress, locate),
    ...formatEnd('ingress', ingress, locate),
    ...notes.map((note) => step('note', note)),
    step('outcome', verdict.decision === 'allow' ? 'allowed' : 'denied'),
  ];
  return `${lines.join('\n')}\n`;
}

/** `TCP port 80`, `ICMP type 8`. */
export function formatPort({ protocol, port }: Pick<PolicyVerdict, 'protocol' | 'port'>): string {
  const name = formatProtocol(protocol);
  return `${name} ${name.startsWith('ICMP') ? 'type' : 'port'} ${port}`;
}

function formatLabels({ labels }: PartyReport): string {
  return labels.length > 0 ? labels.filter((label) => !SELF_EVIDENT.test(label)).join(', ') : 'nobody that policies know';
}

function formatEnd(direction: Direction, end: EndVerdict | undefined, locate: Locate): string[] {
  if (!end) return [step(direction, 'not judged')];
  return [
    ...formatDecider(direction, direction, end, locate),
    ...(end.runnerUp ? formatDecider('runner-up', direction, end.runnerUp, locate) : []),
    ...(end.without ? formatDecider('without it', direction, end.without, locate) : []),
  ];
}

function formatDecider(label: string, direction: Direction, decider: Decider, locate: Locate): string[] {
  const sources = [...new Set(decider.sources.map((source) => formatSource(source, locate)))];
  return [step(label, describe(direction, decider)), ...sources.map((source) => step('', `${FROM[decider.reason]} ${source}`))];
}

const FROM = { rule: 'from', 'not-allowed': 'isolated by', unrestricted: 'from', 'own-node': 'from' } as const;

function describe(direction: Direction, { decision, reason, sources }: Decider): string {
  switch (reason) {
    case 'rule':
      return decision === 'allow' ? 'allowed' : 'denied';
    case 'not-allowed':
      return sources.length > 0 ? 'denied: no rule allows it' : 'denied: no rule allows it, and policy.enforcement isolates every pod';
    case 'unrestricted':
      return `allowed: nothing restricts what ${direction === 'egress' ? 'it sends' : 'is sent to it'}`;
    case 'own-node':
      return "allowed: the pod's own node always is";
  }
}

function step(label: string, text: string): string {
  return `  ${label.padEnd(LABEL_WIDTH)}${text}`;
}
