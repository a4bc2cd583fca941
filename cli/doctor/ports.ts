import type { Settings } from '../../settings/index.ts';
import { someOf } from '../text/some-of.ts';
import { type CheckResult, ok, warning } from './check.ts';
import type { MachineFacts } from './machine.ts';

/** Ports from the first to the last, both counted. */
type PortRange = readonly [first: number, last: number];

/** Where Envoys listen for load balancers, see docs/decisions/cluster.md. */
const BALANCED_PORTS: PortRange = [20_000, 29_999];
/** Of the agent, on loopback. */
const AGENT_ADMIN_PORT = 15_010;
/** Of everything of Sluice that runs on nodes, by manifests/install.yaml. */
const OWN_USER = 65_532;
/** https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html (10 is TCP_LISTEN) */
const LISTENING = '0A';
const SHOWN = 5;

/** Whether the ports that a node of Sluice listens on are free, stay so, and may be listened on. */
export function checkPorts(facts: MachineFacts, ingress: Settings['ingress']): readonly CheckResult[] {
  const { enabled, sharedListenerPort } = ingress.hostNetwork;
  const served: PortRange = enabled ? [sharedListenerPort, sharedListenerPort] : BALANCED_PORTS;
  return [checkFree(facts, [served, [AGENT_ADMIN_PORT, AGENT_ADMIN_PORT]]), checkLocalPorts(facts, served), checkPrivilege(facts, served)];
}

function checkFree({ read }: MachineFacts, wanted: readonly PortRange[]): CheckResult {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => read(path) ?? '');
  const taken = tables.flatMap(listeners).filter(({ user, port }) => user !== OWN_USER && wanted.some((range) => isWithin(port, range)));
  const ports = [...new Set(taken.map(({ port }) => port))].sort((a, b) => a - b);
  const needed = wanted.map(describeRange).join(' and ');
  if (ports.length === 0) return ok('ports', `nobody else listens on ${needed}`);
  return warning(
    'ports',
    `others listen on ${someOf(ports, SHOWN)}`,
    `on a node Sluice needs ${needed} for itself: ss -ltnp says who has them`,
  );
}

/** A connection of the node's own has the port that an Envoy is to listen on. */
function checkLocalPorts({ read }: MachineFacts, served: PortRange): CheckResult {
  const [first = 0, last = 0] = (read('/proc/sys/net/ipv4/ip_local_port_range') ?? '').split(/\s+/).map(Number);
  const reserved = (read('/proc/sys/net/ipv4/ip_local_reserved_ports') ?? '').trim().split(',').flatMap(parseRange);
  const local: PortRange = [first, last];
  const isApart = last < served[0] || first > served[1];
  if (isApart) return ok('local-ports', `connections from this machine use ${describeRange(local)}`);
  if (reserved.some(([from, to]) => from <= served[0] && to >= served[1]))
    return ok('local-ports', `${describeRange(served)} are reserved`);
  const todo = `an Envoy that starts may find its port in use: sysctl -w net.ipv4.ip_local_reserved_ports=${served[0]}-${served[1]}`;
  return warning('local-ports', `connections from this machine use ${describeRange(local)}`, todo);
}

function checkPrivilege({ read }: MachineFacts, [first]: PortRange): CheckResult {
  const start = Number(read('/proc/sys/net/ipv4/ip_unprivileged_port_start') ?? 1024);
  const found = `anybody may listen from port ${start} up`;
  if (first >= start) return ok('privileged-ports', found);
  return warning(
    'privileged-ports',
    found,
    `Envoy listens on ${first} and runs without capabilities: see docs/install.md, Privileged ports`,
  );
}

interface Listener {
  readonly port: number;
  readonly user: number;
}

function listeners(table: string): readonly Listener[] {
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === LISTENING)
    .map((fields) => ({ port: Number.parseInt(fields[1]?.split(':')[1] ?? '', 16), user: Number(fields[7]) }));
}

function parseRange(text: string): readonly PortRange[] {
  const [first, last = first] = text.split('-').map(Number);
  return text === '' || first === undefined || last === undefined ? [] : [[first, last]];
}

function isWithin(port: number, [first, last]: PortRange): boolean {
  return port >= first && port <= last;
}

function describeRange([first, last]: PortRange): string {
  return first === last ? `${first}` : `${first} to ${last}`;
}
