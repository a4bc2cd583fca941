import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { freePorts } from '../../testkit/ports.ts';
import { checkPorts } from './ports.ts';

const HEADER = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const LISTEN = '0A';

function line(port: number, state = LISTEN, user = 0): string {
  const local = `00000000:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000 ${user}        0 4711 1`;
}

interface Machine {
  readonly tcp?: readonly string[];
  readonly tcp6?: readonly string[];
  readonly range?: string;
  readonly reserved?: string;
  readonly unprivileged?: string;
}

function check(machine: Machine, hostNetwork: Partial<typeof DEFAULT_SETTINGS.ingress.hostNetwork> = {}) {
  const { tcp = [], tcp6 = [], range = '32768\t60999\n', reserved = '\n', unprivileged = '1024\n' } = machine;
  const files: Readonly<Record<string, string>> = {
    '/proc/net/tcp': [HEADER, ...tcp, ''].join('\n'),
    '/proc/net/tcp6': [HEADER, ...tcp6, ''].join('\n'),
    '/proc/sys/net/ipv4/ip_local_port_range': range,
    '/proc/sys/net/ipv4/ip_local_reserved_ports': reserved,
    '/proc/sys/net/ipv4/ip_unprivileged_port_start': unprivileged,
  };
  const facts = { kernelRelease: '6.1.0', memoryMb: 1024, read: (path: string) => files[path], exists: () => true };
  const { ingress } = DEFAULT_SETTINGS;
  return checkPorts(facts, { ...ingress, hostNetwork: { ...ingress.hostNetwork, ...hostNetwork } });
}

for (const [what, machine, hostNetwork, wrong] of [
  ['nothing listens', {}, {}, []],
  [
    'other ports, connections, and what is our own',
    { tcp: [line(19_999), line(30_000), line(20_001, '01'), line(20_000, LISTEN, 65_532)] },
    {},
    [],
  ],
  ['a port of ours', { tcp: [line(20_000)] }, {}, ['ports']],
  ['one of them on IPv6', { tcp6: [line(29_999)] }, {}, ['ports']],
  ['the port of the agent', { tcp: [line(15_010)] }, {}, ['ports']],
  ['a port that the host network does not need', { tcp: [line(20_000)] }, { enabled: true }, []],
  ['the port that it needs', { tcp: [line(8_080)] }, { enabled: true, sharedListenerPort: 8_080 }, ['ports']],
  ['connections from everywhere', { range: '1024\t65535\n' }, {}, ['local-ports']],
  ['but not from ours', { range: '1024\t65535\n', reserved: '6443,20000-29999\n' }, {}, []],
  ['a port for root only', {}, { enabled: true, sharedListenerPort: 80 }, ['privileged-ports']],
  ['which all may have', { unprivileged: '80\n' }, { enabled: true, sharedListenerPort: 80 }, []],
] as const) {
  test(`ports of a node: ${what}`, () => {
    const results = check(machine, hostNetwork);
    assert.equal(results.length, 3);
    assert.deepEqual(
      results.filter(({ result }) => result !== 'ok').map(({ name }) => name),
      wrong,
    );
  });
}

test('ports of a node: a real listener is found', async () => {
  const [port = 0] = await freePorts(1);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  try {
    const facts = { kernelRelease: '6.1.0', memoryMb: 1024, read: (path: string) => readFileSync(path, 'utf8'), exists: () => true };
    const { ingress } = DEFAULT_SETTINGS;
    const [free] = checkPorts(facts, { ...ingress, hostNetwork: { enabled: true, sharedListenerPort: port } });
    assert.deepEqual([free?.result, free?.found], ['warning', `others listen on ${port}`]);
  } finally {
    server.close();
  }
});
