import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { wordOf } from '../layer7/http-peer.ts';
import { SteeredLab } from '../layer7/steered-lab.ts';

const PODS = ['client', 'web'].map((name) => ({ name, labels: { app: name } }));

describe('a node that is to remember no flows', needs('root', 'netns', 'envoy', 'bpf'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  before(async () => {
    const settings = { flows: { enabled: false } };
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', nodes: 1, pods: PODS, settings }));
    await lab.peer('web').serve();
  });
  after(() => cleanUp.disposeAsync());

  test('remembers none, says so, and judges as ever', async () => {
    assert.equal(wordOf(await lab.peer('client').ask({ to: lab.lab.pod('web').addresses.ipv4 })), '200');
    await assert.rejects(lab.sluice('node-1', ['observe']), /remembers no flows: .*the setting flows\.enabled says otherwise/);
    assert.equal(existsSync(join(lab.folderOf('node-1'), 'state', 'flows.sock')), false);
    assert.equal(JSON.parse(await lab.sluice('node-1', ['status', '-o', 'json'])).flows, undefined);
  });
});
