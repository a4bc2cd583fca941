import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { ObjectSpec, openMap } from 'libbpf-ts';
import { needs } from '../../../testkit/capabilities.ts';
import { TemporaryFolder } from '../../../testkit/temporary-folder.ts';
import { Cgroup } from '../../libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../../libbpf-ts/testing/own-namespaces.ts';
import { cleanUpDatapath, Datapath } from '../index.ts';
import { cleanUpServices, findRootCgroup, ServiceDatapath } from './index.ts';
import { PINS, ServiceWorld, translation } from './testing/service-world.ts';

enterOwnNamespaces();

const SERVICES = [translation('it', { frontends: [['192.0.2.1', 80]], backends: [['10.1.0.1', 8080]] })];

describe('the root of the cgroup tree', () => {
  const line = (folder: string, type = 'cgroup2') => `31 24 0:27 / ${folder} rw,nosuid shared:9 - ${type} ${type} rw,nsdelegate`;

  test('is found in a unified and in a hybrid layout, and not in a part of the tree', () => {
    using folder = new TemporaryFolder();
    const [root, part, spaced] = ['root', 'part', 'with blank'].map((name) => folder.join(name));
    assert.ok(root && part && spaced);
    for (const path of [root, part, spaced]) mkdirSync(path);
    writeFileSync(`${part}/cgroup.events`, 'populated 1\n');
    assert.equal(findRootCgroup(line(root)), root);
    assert.equal(findRootCgroup([line(part, 'cgroup'), line(part), line(root), ''].join('\n')), root);
    assert.equal(findRootCgroup(line(spaced.replace(' ', '\\040'))), spaced);
    assert.throws(() => findRootCgroup(line(part)), { code: 'no-cgroup' });
    assert.throws(() => findRootCgroup(line(root, 'cgroup')), { code: 'no-cgroup' });
  });

  test('is there on this machine', needs('root', 'bpf'), () => {
    assert.ok(readdirSync(findRootCgroup()).includes('cgroup.procs'));
  });
});

describe('programs', needs('root', 'bpf'), () => {
  const PEER = { backend: '10.1.0.1 8080', peer: '192.0.2.1 80' };
  const attachments = () => readdirSync(PINS).filter((name) => name.startsWith('service_links_'));

  test('are at work in a cgroup and those below, and nowhere else', async () => {
    await using world = await ServiceWorld.start(SERVICES);
    mkdirSync(`${world.cgroup.folder}/pod`);
    using _below = { [Symbol.dispose]: () => world.removeCgroup('pod') };
    using elsewhere = new Cgroup();
    await using below = world.join('shared', 'pod');
    await using outside = world.joinOther(elsewhere);
    assert.deepEqual(await below.tcp('192.0.2.1', 80), PEER);
    assert.deepEqual(await outside.tcp('192.0.2.1', 80), { error: 'ENETUNREACH' });
  });

  test('move to another cgroup, and leave the one before', async () => {
    await using world = await ServiceWorld.start(SERVICES);
    using other = new Cgroup();
    await using client = world.joinOther(other);
    world.datapath.attach(other.folder);
    assert.deepEqual(await client.tcp('192.0.2.1', 80), PEER);
    assert.deepEqual(await world.client.tcp('192.0.2.1', 80), { error: 'ENETUNREACH' });
    assert.equal(attachments().length, 1);
  });

  test('whose cgroup is gone are attached anew', async () => {
    const datapath = await ServiceDatapath.open({ pinFolder: PINS });
    {
      using gone = new Cgroup();
      datapath.attach(gone.folder);
    }
    datapath[Symbol.dispose]();
    await using world = await ServiceWorld.start(SERVICES);
    assert.deepEqual(await world.client.tcp('192.0.2.1', 80), PEER);
    assert.equal(attachments().length, 1);
  });

  test('with maps of another layout are replaced once theirs are filled', async () => {
    await using world = await ServiceWorld.start(SERVICES);
    world.datapath[Symbol.dispose]();
    {
      // An older version, with less room.
      cleanUpServices(PINS);
      using spec = ObjectSpec.open(new URL('../../programs/gen/service.bpf.o', import.meta.url).pathname);
      for (const map of spec.maps.values()) if (/^service_?[a-z_]*$/.test(map.name)) map.pinPath = `${PINS}/${map.name}`;
      spec.map('service_frontends').maxEntries = 16;
      using _older = await spec.load();
    }
    world.datapath = await ServiceDatapath.open({ pinFolder: PINS });
    await world.datapath.reconcile(SERVICES);
    world.datapath.attach(world.cgroup.folder);
    assert.deepEqual(await world.client.tcp('192.0.2.1', 80), PEER);
  });

  for (const order of ['before', 'after']) {
    test(`share the addresses of Services with what judges packets, that is loaded ${order} them`, async () => {
      const sizes = { addresses: 64, subjects: 8, verdictsOfSubject: 64, connections: 64 };
      const open = async () => await Datapath.open({ pinFolder: PINS, sizes });
      using judging = new DisposableStack();
      if (order === 'before') judging.use(await open());
      const services = await ServiceDatapath.open({ pinFolder: PINS });
      try {
        await services.reconcile(SERVICES);
        if (order === 'after') judging.use(await open());
        using shared = openMap(`${PINS}/service_addresses`);
        assert.equal([...shared.entries()].length, 1);
        await services.reconcile([]);
        assert.equal([...shared.entries()].length, 0);
      } finally {
        services[Symbol.dispose]();
        judging.dispose();
        cleanUpServices(PINS);
        cleanUpDatapath(PINS);
      }
    });
  }

  test('refuse what does not fit, and go on', async () => {
    await using world = await ServiceWorld.start();
    const frontends = Array.from(
      { length: 70_000 },
      (_, index) => [['10', '64', String((index >> 8) & 255), String(index & 255)].join('.'), 80 + (index >> 16)] as const,
    );
    const tooMuch = [translation('too-much', { frontends })];
    await world.datapath.apply({ set: SERVICES });
    await assert.rejects(world.datapath.apply({ set: tooMuch }), { code: 'maps-full' });
    assert.deepEqual(await world.client.tcp('192.0.2.1', 80), PEER);
    await world.datapath.reconcile(SERVICES);
    assert.deepEqual(await world.datapath.reconcile(SERVICES), { written: 0, deleted: 0 });
    assert.deepEqual(await world.client.tcp('192.0.2.1', 80), PEER);
  });
});
