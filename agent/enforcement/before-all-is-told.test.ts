import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Datapath } from '../../bpf/datapath/index.ts';
import { CLIENT, SMALL } from '../../bpf/datapath/testing/judged.ts';
import { sh } from '../../bpf/datapath/testing/pod-network.ts';
import { enterOwnNamespaces } from '../../bpf/libbpf-ts/testing/own-namespaces.ts';
import { RESERVED_IDENTITIES } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { NodeEnforcement } from './node-enforcement.ts';

enterOwnNamespaces();

const OWN = '10.0.0.9';
const TAKEN = { frontends: [{ address: '10.96.0.7', port: 80 }], port: 10_001, ready: true } as const;
const MET = { address: '10.96.0.7', port: 80, identity: CLIENT, listener: 10_002 } as const;
/** For what comes right after an address is known. */
const SETTLED_MS = 200;

describe('before an enforcer that starts was told everything', needs('root', 'bpf'), () => {
  test('who meets which listener stays as it was, whatever becomes of devices', async () => {
    const datapath = await Datapath.open({ pinFolder: '/sys/fs/bpf/sluice', sizes: SMALL });
    using _cleanUp = { [Symbol.dispose]: () => datapath.cleanUp() };
    await datapath.taken.set([TAKEN]);
    await datapath.takenForClients.set([MET]);
    const failures: string[] = [];
    const enforcement = new NodeEnforcement({ datapath, onFailure: ({ message }) => failures.push(message) });
    await using _ended = enforcement;
    sh(`ip link add own type veth peer name other; ip address add ${OWN}/32 dev own; ip link set own up`);
    await eventually(() => assert.equal(datapath.addresses.identityOf(OWN), RESERVED_IDENTITIES.host));
    await sleep(SETTLED_MS);
    assert.deepEqual([[...datapath.takenForClients.entries()], [...datapath.taken.entries()].length], [[MET], 1]);
    await enforcement.reconcile();
    assert.deepEqual([[...datapath.takenForClients.entries()], [...datapath.taken.entries()]], [[], []]);
    assert.deepEqual(failures, []);
  });
});
