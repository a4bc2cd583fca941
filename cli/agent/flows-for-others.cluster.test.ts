import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { enterOwnNetwork, OWN_ADDRESS } from '../../testkit/own-network.ts';
import { type ClusterProcess, PlainCluster } from '../../testkit/plain-cluster.ts';
import { freePorts } from '../../testkit/ports.ts';
import { runSluiceCommand } from '../../testkit/sluice-command.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';

enterOwnNetwork();

const WITHIN = { withinMs: 60_000 };
const POLICED = { enabled: true, services: false };

describe('flows of a node of a cluster', needs('cluster', 'envoy', 'root'), () => {
  const cleanUp = new AsyncDisposableStack();
  const folder = cleanUp.use(new TemporaryFolder());
  let cluster: PlainCluster;
  let agent: ClusterProcess;
  let port = 0;
  before(async () => {
    [port = 0] = await freePorts(1);
    const flows = { port, clients: ['spiffe://sluice.io/observer/ann'], capacity: 33 };
    cluster = cleanUp.use(
      await PlainCluster.start({ apiServerFlags: [`--advertise-address=${OWN_ADDRESS}`], settings: { policy: POLICED, flows } }),
    );
    const controller = await cluster.startController('a');
    await controller.untilReady();
    agent = await cluster.startAgent('node-1', controller);
  });
  after(() => cleanUp.disposeAsync());

  async function certificateOf(name: string): Promise<readonly string[]> {
    const made = await runSluiceCommand(['certificate', name, '--out', folder.path, '--kubeconfig', cluster.plane.kubeconfig]);
    assert.deepEqual([made.code, made.stderr], [0, '']);
    assert.equal(statSync(folder.join(`${name}.key`)).mode & 0o777, 0o600);
    return ['--ca', folder.join('ca.crt'), '--cert', folder.join(`${name}.crt`), '--key', folder.join(`${name}.key`)];
  }

  test('are asked for with a certificate that may, and no other', async () => {
    const [ann, bob] = [await certificateOf('ann'), await certificateOf('bob')];
    await agent.command.untilSaid(/tells of flows on port \d+, by mutual TLS/);
    const server = ['observe', '--server', `localhost:${port}`];
    const answered = await runSluiceCommand([...server, ...ann]);
    assert.deepEqual([answered.code, answered.stderr], [0, '']);
    const refused = await runSluiceCommand([...server, ...bob]);
    assert.match(refused.stderr, /spiffe:\/\/sluice\.io\/observer\/bob may not ask for flows/);
    const nobody = await runSluiceCommand(server);
    assert.deepEqual([refused.code, nobody.code], [1, 1]);
  });

  test('are asked for on the node, by root and the agent’s group, where its status says', async () => {
    const {
      socket = '',
      capacity,
      lost,
    } = await eventually(async () => {
      const { flows } = await agent.status();
      assert.ok(flows);
      return flows;
    }, WITHIN);
    assert.equal(capacity, 33);
    assert.ok(Object.keys(lost).length > 2 && Object.values(lost).every((count) => count === 0), JSON.stringify(lost));
    assert.equal(statSync(socket).mode & 0o777, 0o660);
    const { code, stderr } = await runSluiceCommand(['observe', '--admin-port', String(agent.adminPort)]);
    assert.deepEqual([code, stderr], [0, '']);
  });
});
