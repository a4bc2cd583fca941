import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { agnhostImage, Lab, type RunningLab } from './index.ts';

const IMAGE = 'registry.k8s.io/e2e-test-images/agnhost:2.43';
const PORT = 9000;
const OTHER_PORT = 9001;
/** Nothing answers there: https://www.rfc-editor.org/rfc/rfc5737 */
const NOWHERE = '192.0.2.1';

function podOf(name: string, args: readonly string[]): object {
  const containers = [{ name: 'main', image: IMAGE, command: ['/agnhost', ...args] }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { containers, terminationGracePeriodSeconds: 0 },
  };
}

describe('agnhost', needs('cluster', 'root'), () => {
  let lab: RunningLab;
  const addresses: Record<string, string> = {};
  before(async () => {
    lab = await Lab.start({ images: [await agnhostImage()] });
    await eventually(() => lab.kubectl('get', 'serviceaccount', 'default'));
    const serve = ['serve-hostname', '--http=false', '--port', `${PORT}`];
    await lab.apply([podOf('tcp', [...serve, '--tcp']), podOf('udp', [...serve, '--udp']), podOf('client', ['pause'])]);
    await lab.kubectl('wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s');
    for (const pod of ['tcp', 'udp']) addresses[pod] = await lab.kubectl('get', 'pod', pod, '-o', 'jsonpath={.status.podIP}');
  });
  after(() => lab.down());

  async function connect(to: string, protocol: string): Promise<string> {
    const command = ['/agnhost', 'connect', to, '--timeout=1s', `--protocol=${protocol}`];
    return await lab.kubectl('exec', 'client', '--', ...command);
  }

  for (const protocol of ['tcp', 'udp']) {
    test(`reaches what serves ${protocol}, and says why it reaches nothing else`, async () => {
      assert.equal(await connect(`${addresses[protocol]}:${PORT}`, protocol), '');
      await assert.rejects(connect(`${addresses[protocol]}:${OTHER_PORT}`, protocol), /REFUSED/);
      await assert.rejects(connect(`${NOWHERE}:${PORT}`, protocol), /TIMEOUT|OTHER/);
    });
  }
});
