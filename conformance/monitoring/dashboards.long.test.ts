import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { DASHBOARDS, MONITORING, readAlerts, readDashboard } from '../../testkit/dashboards.ts';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { app, ciliumPolicy, tcpPort } from '../layer7/policies.ts';
import { HOLDER, HTTP_PORT, hostOf, served, servedAt } from '../layer7/served-by-ingress.ts';
import { SteeredLab } from '../layer7/steered-lab.ts';
import { Prometheus } from './prometheus.ts';

const PODS = [...['client', 'other', 'web', 'mute'].map((name) => ({ name, labels: { app: name } })), { name: 'holder', ...HOLDER }];
const WITHIN = { withinMs: 90_000 };

/** `web` may be read by `client`, and by Ingresses. */
const POLICY = ciliumPolicy({
  name: 'web',
  app: 'web',
  ingress: [{ fromEndpoints: app('client'), toPorts: [tcpPort(80, [{ method: 'GET' }])] }, { fromEntities: ['ingress'] }],
});

/** An expression of a panel as Grafana sends it. */
const interpolated = (expression: string) => expression.replaceAll('$__rate_interval', '30s').replaceAll('$namespace', '.*');

/** What an alert looks at, whatever it comes to. */
const lookedAt = (expression: string) => expression.replaceAll(/\s(?:==|>)\s[\d.]+/g, '').replace(/^absent\((\w+)(?:\{.*?\})?\).*$/, '$1');

describe('with a Sluice that works, and a Prometheus that scrapes it', needs('root', 'netns', 'envoy', 'bpf', 'prometheus'), () => {
  const cleanUp = new AsyncDisposableStack();
  let prometheus: Prometheus;
  before(async () => {
    const folder = cleanUp.use(new TemporaryFolder());
    const lab = cleanUp.use(await SteeredLab.start({ network: 'routed', nodes: 1, pods: PODS }));
    await lab.peer('web').serve();
    await lab.set('policies', [POLICY]);
    lab.write('ingresses', [...served(lab, 'web'), ...served(lab, 'mute')]);
    const node = lab.lab.node('node-1');
    const to = lab.lab.pod('web').addresses.ipv4;
    await lab.peer('client').begin('allowed', { to }, 200);
    await lab.peer('client').begin('denied', { to, method: 'POST' }, 200);
    await lab.peer('other').begin('dropped', { to, timeoutMs: 500 }, 200);
    for (const server of ['web', 'mute']) {
      const headers = { host: hostOf(server, 'ipv4') };
      await lab.peer('node-1').begin(server, { to: '127.0.0.1', port: HTTP_PORT, headers, timeoutMs: 5_000 }, 200);
    }
    prometheus = cleanUp.use(
      await Prometheus.start(node, lab.peer('node-1'), {
        targets: { 'sluice-run': 9870 },
        rules: `${MONITORING}alerts.yaml`,
        folder: folder.path,
      }),
    );
    // Changes, for as long as Prometheus looks.
    let port = 8_000;
    const change = () => lab.write('other', servedAt('other', lab.lab.pod('other').addresses, port++));
    const changing = setInterval(change, 1_000);
    cleanUp.defer(() => clearInterval(changing));
  });
  after(() => cleanUp.disposeAsync());

  for (const name of DASHBOARDS) {
    for (const { title, targets = [] } of readDashboard(name).panels) {
      for (const { refId, expr } of targets) {
        test(`${name}, ${title}, ${refId} has data`, async () => {
          const expression = interpolated(expr);
          assert.doesNotMatch(expression, /\$/);
          await eventually(async () => assert.ok((await prometheus.query(expression)).length > 0, expression), WITHIN);
        });
      }
    }
  }

  for (const { alert, expr } of readAlerts()) {
    test(`what ${alert} looks at is there`, async () => {
      const expression = lookedAt(expr);
      assert.notEqual(expression, expr);
      await eventually(async () => assert.ok((await prometheus.query(expression)).length > 0, expression), WITHIN);
    });
  }

  test('every rule is evaluated', async () => {
    const expected = new Map(readAlerts().map(({ alert }) => [alert, 'ok']));
    await eventually(async () => assert.deepEqual(await prometheus.ruleHealth(), expected), WITHIN);
  });
});
