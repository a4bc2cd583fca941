import { hasLabel, labelReader } from './cilium-labels.ts';
import { isWithin, selects } from './match.ts';
import type { Opinion, Question } from './network-policy.ts';
import type { PlainObject, PlainSelector } from './objects.ts';
import { isIngressHolder, namespaceOf, type Party, partyOf, portsByName } from './parties.ts';
import type { Asked, PlainHttpRule } from './talk.ts';

interface PlainRule {
  readonly [member: string]: unknown;
  readonly toPorts?: readonly PlainPortRule[];
  readonly icmps?: readonly { readonly fields?: readonly { readonly family?: string; readonly type: number | string }[] }[];
}

interface PlainPortRule {
  readonly ports?: readonly PlainPort[];
  readonly rules?: { readonly http?: readonly PlainHttpRule[] };
  readonly serverNames?: readonly string[];
}

interface PlainPort {
  readonly port: string;
  readonly endPort?: number;
  readonly protocol?: string;
}

interface PlainSpec {
  readonly endpointSelector?: PlainSelector;
  readonly enableDefaultDeny?: { readonly ingress?: boolean; readonly egress?: boolean };
  readonly [member: string]: unknown;
}

/** Of a policy: where it stands, and one of its rule sets. */
interface Context {
  readonly policy: PlainObject;
  readonly spec: PlainSpec;
  readonly question: Question;
}

/** @see https://docs.cilium.io/en/stable/security/policy/language/ */
export function askCiliumPolicies(question: Question): Opinion {
  const opinion = { isolates: false, allows: false, denies: false, asked: [] as Asked[] };
  for (const policy of inOrder(question.objects)) {
    if (policy.kind !== 'CiliumNetworkPolicy' && policy.kind !== 'CiliumClusterwideNetworkPolicy') continue;
    const specs = [policy['spec'], ...((policy['specs'] as readonly unknown[] | undefined) ?? [])];
    for (const spec of specs as readonly (PlainSpec | undefined)[]) {
      if (!spec?.endpointSelector || !isSubject(policy, spec.endpointSelector, question)) continue;
      const { direction } = question;
      const allowing = rulesOf(spec, direction);
      const denying = rulesOf(spec, `${direction}Deny`);
      const context = { policy, spec, question };
      const isolates = spec.enableDefaultDeny?.[direction] ?? allowing.length + denying.length > 0;
      if (isolates) opinion.isolates = true;
      const said = allowing.flatMap((rule) => whatIsAsked(rule, context));
      opinion.asked.push(...said.filter((each) => each !== 'nothing'));
      // Whoever does not isolate does not insist on what he asks for.
      if (said.includes('nothing') || (said.length > 0 && !isolates)) opinion.allows = true;
      if (denying.some((rule) => whatIsAsked(rule, context).length > 0)) opinion.denies = true;
    }
  }
  return opinion;
}

/** What rules do with headers they do one after the other: by kinds, namespaces and names of policies. */
function inOrder(objects: readonly PlainObject[]): readonly PlainObject[] {
  const key = (object: PlainObject) =>
    `${object.kind} ${object.kind === 'CiliumNetworkPolicy' ? namespaceOf(object) : ''}/${object.metadata.name}`;
  return objects.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

function rulesOf(spec: PlainSpec, list: string): readonly PlainRule[] {
  return (spec[list] as readonly PlainRule[] | undefined) ?? [];
}

function isSubject(policy: PlainObject, selector: PlainSelector, { objects, subject }: Question): boolean {
  if (policy.kind === 'CiliumNetworkPolicy' && (namespaceOf(policy) !== namespaceOf(subject) || isIngressHolder(subject))) return false;
  return selects(selector, labelReader(objects, partyOf(subject, '')));
}

const PEER_MEMBERS = ['Endpoints', 'CIDR', 'CIDRSet', 'Entities', 'Services'] as const;

/** For each part of a rule that means the packet, what is asked on layer 7. */
function whatIsAsked(rule: PlainRule, context: Context): (Asked | 'nothing')[] {
  const prefix = context.question.direction === 'ingress' ? 'from' : 'to';
  const said = PEER_MEMBERS.filter((member) => rule[prefix + member] !== undefined);
  const saysPorts = (rule.toPorts ?? []).length > 0 || (rule.icmps ?? []).length > 0;
  if (said.length === 0 && !saysPorts) return [];
  if (said.length > 0 && !said.every((member) => isPeer(member, rule[prefix + member] as readonly unknown[], context))) return [];
  return saysPorts ? askedAtPort(rule, context.question) : ['nothing'];
}

function isPeer(member: (typeof PEER_MEMBERS)[number], items: readonly unknown[], context: Context): boolean {
  const { other } = context.question;
  switch (member) {
    case 'Endpoints':
      return (items as readonly PlainSelector[]).some((selector) => isEndpoint(selector, context));
    case 'CIDR':
      return other.kind === 'world' && (items as readonly string[]).some((prefix) => isWithin(other.address, prefix));
    case 'CIDRSet':
      return (items as readonly { cidr: string; except?: readonly string[] }[]).some(
        ({ cidr, except = [] }) =>
          other.kind === 'world' && isWithin(other.address, cidr) && !except.some((prefix) => isWithin(other.address, prefix)),
      );
    case 'Entities':
      return (items as readonly string[]).some((entity) => isEntity(entity, other));
    case 'Services':
      return (items as readonly ServicePeer[]).some((service) => isServed(service, context.question));
  }
}

function isEndpoint(selector: PlainSelector, { policy, spec, question }: Context): boolean {
  const { objects, other } = question;
  const keys = [...Object.keys(selector.matchLabels ?? {}), ...(selector.matchExpressions ?? []).map(({ key }) => key)];
  const subjectKeys = [
    ...Object.keys(spec.endpointSelector?.matchLabels ?? {}),
    ...(spec.endpointSelector?.matchExpressions ?? []).map(({ key }) => key),
  ];
  const saysReserved = keys.some((key) => key.startsWith('reserved:'));
  const saysNamespace = keys.some((key) => /^(k8s:|any:)?io\.kubernetes\.pod\.namespace$/.test(key));
  const saysNamespaceLabel = keys.some((key) => /^(k8s:|any:)?io\.cilium\.k8s\.namespace\.labels\./.test(key));
  if (!saysReserved && !saysNamespace) {
    if (policy.kind === 'CiliumNetworkPolicy') {
      if (!saysNamespaceLabel && !(other.kind === 'pod' && namespaceOf(other.pod) === namespaceOf(policy))) return false;
    } else if (other.kind !== 'pod' && !subjectKeys.includes('reserved:init')) return false;
  }
  return selects(selector, labelReader(objects, other));
}

function isEntity(entity: string, other: Party): boolean {
  if (entity === 'all') return true;
  if (entity === 'none') return false;
  if (entity === 'cluster') return other.kind !== 'world' || other.isApiServer;
  return hasLabel(other, entity);
}

interface ServicePeer {
  readonly k8sService?: { readonly serviceName: string; readonly namespace?: string };
  readonly k8sServiceSelector?: { readonly selector: PlainSelector; readonly namespace?: string };
}

function isServed({ k8sService, k8sServiceSelector }: ServicePeer, { objects, other }: Question): boolean {
  return objects.some((service) => {
    if (service.kind !== 'Service') return false;
    const { name, labels } = service.metadata;
    const namespace = namespaceOf(service);
    const isNamed = k8sService?.serviceName === name && (k8sService.namespace ?? namespace) === namespace;
    const isSelected =
      k8sServiceSelector !== undefined &&
      (k8sServiceSelector.namespace ?? namespace) === namespace &&
      selects(k8sServiceSelector.selector, (key) => labels?.[key]);
    return (isNamed || isSelected) && isBackend(service, objects, other);
  });
}

function isBackend(service: PlainObject, objects: readonly PlainObject[], other: Party): boolean {
  const { selector } = service['spec'] as { readonly selector?: Readonly<Record<string, string>> };
  const namespace = namespaceOf(service);
  if (selector) {
    return (
      other.kind === 'pod' &&
      namespaceOf(other.pod) === namespace &&
      selects({ matchLabels: selector }, (key) => other.pod.metadata.labels?.[key])
    );
  }
  return objects.some((slice) => {
    if (slice.kind !== 'EndpointSlice' || namespaceOf(slice) !== namespace || other.kind === 'host') return false;
    if (slice.metadata.labels?.['kubernetes.io/service-name'] !== service.metadata.name) return false;
    const endpoints = slice['endpoints'] as readonly { readonly addresses: readonly string[] }[];
    return endpoints.some(({ addresses }) => addresses.includes(other.address));
  });
}

const ICMP_NAMES: Readonly<Record<string, number>> = { EchoRequest: 8, EchoReply: 0, 'IPv6 EchoRequest': 128, 'IPv6 EchoReply': 129 };

function askedAtPort({ toPorts = [], icmps = [] }: PlainRule, question: Question): (Asked | 'nothing')[] {
  const { protocol, port } = question;
  const isType = icmps.some(({ fields = [] }) =>
    fields.some(({ family = 'IPv4', type }) => {
      if (protocol !== (family === 'IPv6' ? 'ICMPv6' : 'ICMP')) return false;
      const name = family === 'IPv6' ? `IPv6 ${type}` : String(type);
      return port === (ICMP_NAMES[name] ?? Number(type));
    }),
  );
  const asked = toPorts.flatMap(({ ports = [], rules, serverNames = [] }): (Asked | 'nothing')[] => {
    if (!ports.some((each) => isNamedPort(each, question))) return [];
    const http = rules?.http ?? [];
    if (http.length + serverNames.length === 0) return ['nothing'];
    // What is asked on layer 7 is asked of TCP, whatever else the ports are of.
    if (protocol !== 'TCP') return [];
    return [http.length > 0 ? { kind: 'http', rules: http } : { kind: 'tls', names: serverNames }];
  });
  return isType ? ['nothing', ...asked] : asked;
}

function isNamedPort(
  { port: wanted, endPort = 0, protocol: name = 'ANY' }: PlainPort,
  { subject, direction, other, protocol, port }: Question,
): boolean {
  const isAnyProtocol = name === 'ANY' || name === '';
  if (wanted === '0' && endPort === 0 && isAnyProtocol) return true;
  const protocols = isAnyProtocol ? ['TCP', 'UDP', 'SCTP'] : [name.toUpperCase()];
  if (!protocols.includes(protocol)) return false;
  if (wanted === '0' && endPort === 0) return true;
  if (/^\d+$/.test(wanted)) return port >= Number(wanted) && port <= Math.max(endPort, Number(wanted));
  const receiver = direction === 'ingress' ? subject : other.kind === 'pod' ? other.pod : undefined;
  return receiver !== undefined && portsByName(receiver, wanted).some((each) => each.protocol === protocol && each.number === port);
}
