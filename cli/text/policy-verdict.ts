import type { Direction, FieldRef } from '../../model/index.ts';
import { OWN_NODE, VISIBILITY } from '../../policy/index.ts';
import type { Decider, EndVerdict, PartyReport, PolicyVerdict } from '../policy/judge.ts';
import type { Layer7Report } from '../policy/layer7.ts';
import { formatSource, type Locate } from './place.ts';
import { formatProtocol } from './protocol.ts';

const LABEL_WIDTH = 13;
/** Labels that every pod has, or that repeat its namespace. */
const SELF_EVIDENT =
  /^k8s:io\.cilium\.k8s\.(?:policy\.(?:cluster|serviceaccount)=default$|namespace\.labels\.kubernetes\.io\/metadata\.name=)/;

/** A verdict as a column of ends, each with the rules behind it. */
export function formatPolicyVerdict(verdict: PolicyVerdict, locate: Locate): string {
  const { from, to, request, egress, ingress, notes } = verdict;
  const lines = [
    `${from.name} → ${to.name}, ${formatPort(verdict)}${request ? `, ${request.method} ${request.path}` : ''}`,
    step('from', formatLabels(from)),
    step('to', formatLabels(to)),
    ...formatEnd('egress', egress, locate),
    ...formatEnd('ingress', ingress, locate),
    ...notes.map((note) => step('note', note)),
    step('outcome', OUTCOMES[verdict.decision]),
  ];
  return `${lines.join('\n')}\n`;
}

const OUTCOMES: Readonly<Record<PolicyVerdict['decision'], string>> = {
  allow: 'allowed',
  deny: 'denied',
  asked: 'depends on what is said: give --http or --server-name',
  unknown: 'depends on a Secret, whose value is not known here',
};

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
    ...(end.layer7 ? formatLayer7(end.layer7, locate) : []),
    ...(end.runnerUp ? formatDecider('runner-up', direction, end.runnerUp, locate) : []),
    ...(end.without ? formatDecider('without it', direction, end.without, locate) : []),
    ...(end.audits ? [step('audit mode', 'what is denied here passes, and is told of')] : []),
  ];
}

const KINDS = { http: 'requests', tls: 'server names' } as const;

function formatLayer7({ kind, rules, allowsAll, decision, reason }: Layer7Report, locate: Locate): string[] {
  const allowed = rules.map(({ text, source }, index) => step(index === 0 ? 'rules' : '', `${text}, in ${formatSource(source, locate)}`));
  const none = rules.length > 0 || allowsAll.includes(VISIBILITY) ? [] : [step('rules', `none that could allow ${KINDS[kind]}`)];
  const all = allowsAll.length > 0 ? [step('besides', `everything is allowed${formatAllowing(allowsAll, locate)}`)] : [];
  const judged = decision === 'allow' ? 'allowed' : 'denied';
  const isJudged = reason !== undefined && allowsAll.length === 0;
  const label = kind === 'http' ? 'request' : 'server name';
  return [...allowed, ...none, ...all, ...(isJudged ? [step(label, `${decision === 'unknown' ? 'not known' : judged}: ${reason}`)] : [])];
}

function formatAllowing(allowsAll: readonly FieldRef[], locate: Locate): string {
  if (allowsAll.includes(VISIBILITY)) return '; an annotation asks for it to be seen';
  const rules = allowsAll.filter((source) => source !== OWN_NODE).map((source) => formatSource(source, locate));
  return ` by ${rules.join(', ') || "the pod's own node"}`;
}

function formatDecider(label: string, direction: Direction, decider: Decider, locate: Locate): string[] {
  const sources = [...new Set(decider.sources.map((source) => formatSource(source, locate)))];
  return [step(label, describe(direction, decider)), ...sources.map((source) => step('', `${FROM[decider.reason]} ${source}`))];
}

const FROM = { rule: 'from', 'not-allowed': 'isolated by', unrestricted: 'from', 'own-node': 'from' } as const;

function describe(direction: Direction, { decision, reason, sources }: Decider): string {
  switch (reason) {
    case 'rule':
      return BY_RULE[decision];
    case 'not-allowed':
      return sources.length > 0 ? 'denied: no rule allows it' : 'denied: no rule allows it, and policy.enforcement isolates every pod';
    case 'unrestricted':
      return `allowed: nothing restricts what ${direction === 'egress' ? 'it sends' : 'is sent to it'}`;
    case 'own-node':
      return "allowed: the pod's own node always is";
  }
}

const BY_RULE = { allow: 'allowed', deny: 'denied', slot: 'for rules of layer 7 to decide' } as const;

function step(label: string, text: string): string {
  return `  ${label.padEnd(LABEL_WIDTH)}${text}`;
}
