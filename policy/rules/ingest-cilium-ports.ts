import type { CiliumIcmp, CiliumPortRule } from '../../kube/index.ts';
import { ANY, type FieldPath, IP_PROTOCOLS, type SlotRules } from '../../model/index.ts';
import type { Findings } from './findings.ts';
import { ICMP_TYPES, ICMPV6_TYPES } from './icmp-types.ts';
import { ingestLayer7, type Layer7Context } from './ingest-layer7.ts';
import type { PortMatch, Rule } from './rule.ts';

const { ICMP, ICMPv6, TCP, UDP, SCTP } = IP_PROTOCOLS;

/** Those that have ports. */
const WITH_PORTS: readonly number[] = [TCP, UDP, SCTP];

/** As they may stand in `protocol`, in any case. */
const PROTOCOLS: ReadonlyMap<string, readonly number[]> = new Map([
  ['', WITH_PORTS],
  ['ANY', WITH_PORTS],
  ['TCP', [TCP]],
  ['UDP', [UDP]],
  ['SCTP', [SCTP]],
  ['ICMP', [ICMP]],
  ['ICMPV6', [ICMPv6]],
  ['IGMP', [2]],
  ['VRRP', [112]],
]);

const NUMBER = /^\d{1,5}$/;
/** https://www.rfc-editor.org/rfc/rfc6335#section-5.1 */
const SERVICE_NAME = /^(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*$/;

type Ports = NonNullable<CiliumPortRule['ports']>;

/** Whether nothing is said of ports: neither list has an item. */
export function isWithoutPorts(toPorts: readonly unknown[] | undefined, icmps: readonly unknown[] | undefined): boolean {
  return (toPorts ?? []).length === 0 && (icmps ?? []).length === 0;
}

/** Ports and types that a rule means, and what it asks for there. */
export interface PortClause {
  readonly ports: Rule['ports'];
  /** Of an item of `toPorts`; absent where nothing is asked for. */
  readonly layer7?: { readonly path: FieldPath; readonly rules: SlotRules };
}

/**
 * What a rule says of ports and types: first all for which it asks for nothing. A list without items means all ports; an item without
 * ports means none. What cannot be enforced is left out, so that it allows nothing.
 */
export function ingestCiliumPorts(
  toPorts: readonly CiliumPortRule[] | undefined,
  icmps: readonly CiliumIcmp[] | undefined,
  path: FieldPath,
  context: Layer7Context,
): readonly PortClause[] {
  const { findings } = context;
  if (isWithoutPorts(toPorts, icmps)) return [{ ports: 'any' }];
  if ((toPorts ?? []).length > 0 && (icmps ?? []).length > 0) findings.refuse([...path, 'icmps'], 'must not stand beside toPorts');
  const plain: PortMatch[] = [];
  const clauses: PortClause[] = [];
  for (const [index, rule] of (toPorts ?? []).entries()) {
    const here = [...path, 'toPorts', index];
    const asked = ingestLayer7(rule, here, context);
    const read = asked.kind === 'rules' ? ingestTcpPort : ingestPort;
    const ports = (rule.ports ?? []).flatMap((port, at) => read(port, [...here, 'ports', at], findings));
    if (asked.kind === 'nothing') plain.push(...ports);
    else if (asked.kind === 'rules') clauses.push({ ports, layer7: { path: here, rules: asked.rules } });
  }
  const types = (icmps ?? []).flatMap(({ fields = [] }, index) =>
    fields.flatMap((field, at) => ingestIcmpField(field, [...path, 'icmps', index, 'fields', at], findings)),
  );
  const unasked = [...plain, ...types];
  return unasked.length > 0 || clauses.length === 0 ? [{ ports: unasked }, ...clauses] : clauses;
}

/** What needs layer 7 is of TCP, which is also what is meant by any protocol. */
function ingestTcpPort(port: Ports[number], path: FieldPath, findings: Findings): PortMatch[] {
  const protocols = PROTOCOLS.get((port.protocol ?? '').toUpperCase());
  if (protocols && !protocols.includes(TCP)) {
    findings.refuse([...path, 'protocol'], `must be TCP beside rules of layer 7, not ${JSON.stringify(port.protocol)}`);
  }
  return ingestPort(protocols === WITH_PORTS ? { ...port, protocol: 'TCP' } : port, path, findings);
}

function ingestPort({ port: text, endPort = 0, protocol = '' }: Ports[number], path: FieldPath, findings: Findings): PortMatch[] {
  const protocols = PROTOCOLS.get(protocol.toUpperCase());
  if (!protocols) {
    findings.refuse([...path, 'protocol'], `must be one of TCP, UDP, SCTP, ICMP, ICMPv6, IGMP, VRRP, ANY, not ${JSON.stringify(protocol)}`);
    return [];
  }
  if (NUMBER.test(text) && Number(text) <= 65535) return ingestRange(Number(text), endPort, protocols, path, findings);
  const name = text.toLowerCase();
  if (!SERVICE_NAME.test(name) || name.length > 15) {
    findings.refuse([...path, 'port'], `must be a port number (0 to 65535) or the name of a port, not ${JSON.stringify(text)}`);
  } else if (endPort !== 0) findings.refuse([...path, 'endPort'], 'must stand beside a port that is a number');
  return [{ kind: 'name', name, protocols }];
}

/** The port 0 stands for all. */
function ingestRange(port: number, endPort: number, protocols: readonly number[], path: FieldPath, findings: Findings): PortMatch[] {
  if (endPort !== 0 && endPort < port) findings.refuse([...path, 'endPort'], `must be at least the port, ${port}, not ${endPort}`);
  const isAll = port === 0 && endPort === 0;
  if (isAll && protocols === WITH_PORTS) return [{ kind: 'range', protocol: ANY, first: 0, last: 65535 }];
  const last = isAll ? 65535 : Math.max(endPort, port);
  return protocols.map((protocol) => ({ kind: 'range', protocol, first: port, last }));
}

function ingestIcmpField(field: NonNullable<CiliumIcmp['fields']>[number], path: FieldPath, findings: Findings): PortMatch[] {
  const isIPv6 = field.family === 'IPv6';
  const number = typeof field.type === 'number' || /^\d{1,3}$/.test(field.type) ? Number(field.type) : undefined;
  const type = number ?? (isIPv6 ? ICMPV6_TYPES : ICMP_TYPES).get(String(field.type));
  if (type !== undefined && type <= 255) return [{ kind: 'range', protocol: isIPv6 ? ICMPv6 : ICMP, first: type, last: type }];
  findings.refuse([...path, 'type'], `must be a type of ${isIPv6 ? 'ICMPv6' : 'ICMP'}, not ${JSON.stringify(field.type)}`);
  return [];
}
