import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import type { MetCopy } from '../../bpf/datapath/index.ts';
import type { TcpSocket } from '../netlink/index.ts';
import { FormerCopies } from './former-copies.ts';

const [CLIENT, OTHER] = [1000, 1001];
const IDENTITIES: Readonly<Record<string, number>> = { '10.0.0.1': CLIENT, '10.0.0.2': OTHER };
const [COPY, SECOND, SLOT] = [10_001, 10_002, 10_003];
const GRACE_MS = 5_000;
const FRONTEND = { address: '10.96.0.7', port: 80 };

const metBy = (identity: number, listener: number): MetCopy => ({ ...FRONTEND, identity, listener });

function socket(client: string, port: number, cookie: number): TcpSocket {
  const ends = { source: FRONTEND.address, sourcePort: FRONTEND.port, destination: client, destinationPort: 30_000 + cookie };
  return { family: 'ipv4', ...ends, mark: ((port << 16) | 0x900) >>> 0, id: new Uint8Array() };
}

function scene(sockets: readonly TcpSocket[]) {
  const ended: TcpSocket[] = [];
  const failures: Error[] = [];
  const copies = new FormerCopies({
    datapath: { addresses: { identityOf: (address) => IDENTITIES[address] ?? 0 } },
    connections: { list: () => [...sockets], destroy: (each) => ended.push(each) > 0 },
    onFailure: (error) => failures.push(error),
  });
  return { copies, ended, failures };
}

describe('connections to copies of listeners', () => {
  const [own, others, ofSlot] = [socket('10.0.0.1', COPY, 1), socket('10.0.0.2', COPY, 2), socket('10.0.0.1', SLOT, 3)];
  test('end where their client meets another, or none, some time later', (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    for (const met of [[metBy(OTHER, COPY)], [metBy(OTHER, COPY), metBy(CLIENT, SECOND)]]) {
      const { copies, ended } = scene([own, others, ofSlot]);
      copies.set([metBy(CLIENT, COPY), metBy(OTHER, COPY)]);
      context.mock.timers.tick(GRACE_MS);
      assert.deepEqual(ended, []);
      copies.set(met);
      context.mock.timers.tick(GRACE_MS - 1);
      assert.deepEqual(ended, []);
      context.mock.timers.tick(1);
      assert.deepEqual(ended, [own]);
    }
  });

  test('are let be where nobody ever met a copy', (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const { copies, ended } = scene([own]);
    copies.set([]);
    context.mock.timers.tick(GRACE_MS);
    assert.deepEqual(ended, []);
  });

  test('that cannot be ended are told of', (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const failures: Error[] = [];
    const list = mock.fn(() => {
      throw new Error('no sockets');
    });
    const copies = new FormerCopies({
      datapath: { addresses: { identityOf: () => 0 } },
      connections: { list, destroy: () => false },
      onFailure: (error) => failures.push(error),
    });
    copies.set([metBy(CLIENT, COPY)]);
    context.mock.timers.tick(GRACE_MS);
    assert.deepEqual(failures.map(String), ['Error: no sockets']);
  });
});
