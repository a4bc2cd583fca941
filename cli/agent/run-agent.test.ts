import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { statusSchema } from '../../controller/admin/status.ts';
import {
  type Authority,
  issueCertificate,
  issueWithKey,
  type KeyedCertificate,
  makeAuthority,
  NODES_SERVER_NAME,
  observerProfile,
  readSigningRequest,
  servingNodeProfile,
} from '../../pki/index.ts';
import { settingsSchema } from '../../settings/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { freePorts } from '../../testkit/ports.ts';
import { answerJson, ScriptedApiServer } from '../../testkit/scripted-api-server.ts';
import { runSluiceCommand } from '../../testkit/sluice-command.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import type { LogEntry } from '../log.ts';
import { runAgent } from './run-agent.ts';

const WITHIN = { withinMs: 60_000 };
const STOP = new AbortController();

/** Signs whatever is asked for, at once. */
async function startSigner(authority: Authority): Promise<ScriptedApiServer> {
  const requests = new Map<string, { readonly spec: { readonly request: string } }>();
  return await ScriptedApiServer.start(async ({ method, path, body }, response) => {
    if (method === 'POST') {
      const created = JSON.parse(body);
      requests.set(created.metadata.name, created);
      return answerJson(response, 201, created);
    }
    const name = path.split('/').at(-1) ?? '';
    const found = requests.get(name);
    assert.ok(found);
    const request = await readSigningRequest(Buffer.from(found.spec.request, 'base64').toString());
    const certificate = btoa(await issueCertificate(authority, request, servingNodeProfile('n1')));
    return answerJson(response, 200, { ...found, metadata: { name, resourceVersion: '1' }, status: { certificate } });
  });
}

describe('an agent without policies, whose socket and port of metrics are taken', needs('ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  const folder = cleanUp.use(new TemporaryFolder());
  const taken = createServer();
  const said: LogEntry[] = [];
  let authority: Authority;
  let [adminPort, port, metricsPort] = [0, 0, 0];
  before(async () => {
    authority = await makeAuthority();
    [adminPort = 0, port = 0, metricsPort = 0] = await freePorts(3);
    await new Promise<void>((resolve) => taken.listen(metricsPort, '127.0.0.1', resolve));
    cleanUp.defer(() => void taken.close());
    const signer = cleanUp.use(await startSigner(authority));
    const client = signer.client();
    cleanUp.defer(() => client.close());
    for (const name of ['s', 'r']) mkdirSync(folder.join(name), { mode: 0o700 });
    writeFileSync(folder.join('ca.crt'), authority.certificate);
    writeFileSync(folder.join('s/flows.sock'), 'no socket');
    const running = runAgent(
      {
        controllers: 'dns:///127.0.0.1:1',
        authorities: folder.join('ca.crt'),
        client,
        nodeName: 'n1',
        stateDir: folder.join('s'),
        envoy: { kind: 'elsewhere', folder: folder.join('r') },
        adminPort,
        metricsAddress: { host: '127.0.0.1', port: metricsPort },
        enforcerAdminPort: 1,
        settings: settingsSchema.parse({ flows: { port } }),
        enforcerSocket: undefined,
        log: (entry) => void said.push(entry),
      },
      { graceful: STOP.signal, immediate: STOP.signal },
    );
    cleanUp.defer(async () => {
      STOP.abort('over');
      await running;
    });
    await Promise.race([running, eventually(() => assert.ok(said.some(({ event }) => event === 'started')), WITHIN)]);
  });
  after(() => cleanUp.disposeAsync());

  async function textOf(path: string, { certificate: cert, privateKey: key }: KeyedCertificate): Promise<string> {
    const tls = { ca: authority.certificate, cert, key, servername: NODES_SERVER_NAME, agent: false } as const;
    const sent = request({ host: '127.0.0.1', port: metricsPort, path, ...tls }).end();
    const [response] = await once(sent, 'response');
    return await text(response);
  }

  async function failing(): Promise<readonly string[]> {
    const response = await fetch(`http://127.0.0.1:${adminPort}/status`);
    return (statusSchema.parse(await response.json()).failing ?? []).map(({ what }) => what);
  }

  test('serves all the same, and says what is wrong', async () => {
    const expected = [`flows at ${folder.join('s')}/flows.sock`, 'metrics for others'];
    await eventually(async () => assert.deepEqual([...(await failing())].sort(), expected), WITHIN);
  });

  test('tells others of flows, as the setting says', async () => {
    const own = await issueWithKey(authority, observerProfile('ann'));
    writeFileSync(folder.join('ann.crt'), own.certificate);
    writeFileSync(folder.join('ann.key'), own.privateKey);
    await eventually(() => assert.ok(said.some(({ text }) => text === `tells of flows on port ${port}, by mutual TLS`)), WITHIN);
    const files = ['--ca', folder.join('ca.crt'), '--cert', folder.join('ann.crt'), '--key', folder.join('ann.key')];
    const { code, stderr } = await runSluiceCommand(['observe', '--server', `localhost:${port}`, ...files]);
    assert.deepEqual([code, stderr], [0, '']);
  });

  test('begins what it could not, once it can', async () => {
    rmSync(folder.join('s/flows.sock'));
    taken.close();
    await eventually(async () => assert.deepEqual(await failing(), []), WITHIN);
    const own = await issueWithKey(authority, observerProfile('prometheus'));
    assert.match(await textOf('/metrics', own), /^sluice_flow_metrics_overflow_total/m);
    // There is no enforcer where no policies are enforced.
    assert.match(await textOf('/metrics/enforcer', own), /no such page/);
    const { code } = await runSluiceCommand(['observe', '--admin-port', `${adminPort}`]);
    assert.equal(code, 0);
  });
});
