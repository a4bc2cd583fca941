import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { dump, load } from 'js-yaml';
import { z } from 'zod';
import { listenForMetrics } from '../../controller/admin/metrics-listener.ts';
import {
  controllerProfile,
  identifyClient,
  issueWithKey,
  makeAuthority,
  observerProfile,
  type Profile,
  servingNodeProfile,
} from '../../pki/index.ts';
import { needs, PROMETHEUS } from '../../testkit/capabilities.ts';
import { MONITORING } from '../../testkit/dashboards.ts';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { MutualTlsCredentials } from '../../xds-server/serve/index.ts';

const identify = identifyClient({ clients: ['spiffe://sluice.io/observer/*'], may: 'ask for metrics', setting: 'metrics.clients' });
const configView = z.object({ scrape_configs: z.array(z.looseObject({ job_name: z.string() })) });
const targetsView = z.object({
  data: z.object({
    activeTargets: z.array(z.object({ health: z.string(), lastError: z.string(), labels: z.record(z.string(), z.string()) })),
  }),
});

/** What Kubernetes would say of a pod. Debian's Prometheus is built without Kubernetes. */
function podOf(component: string, port: number): object {
  return {
    targets: [component === 'enforcer' ? '127.0.0.1' : `127.0.0.1:${port}`],
    labels: {
      __meta_kubernetes_pod_ip: '127.0.0.1',
      __meta_kubernetes_pod_name: `${component}-1`,
      __meta_kubernetes_pod_node_name: 'n1',
      __meta_kubernetes_pod_container_name: component,
      __meta_kubernetes_pod_container_port_name: component === 'enforcer' ? '' : 'metrics',
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill();
  await exit;
}

test('a Prometheus with an observer’s certificate scrapes controllers, agents and, by these, enforcers', needs('prometheus'), async () => {
  await using cleanUp = new AsyncDisposableStack();
  const folder = cleanUp.use(new TemporaryFolder());
  const authority = await makeAuthority();
  const listen = async (profile: Profile) => {
    const credentials = new MutualTlsCredentials({ ...(await issueWithKey(authority, profile)), authorities: authority.certificate });
    const pages = { '/metrics': async () => 'sluice_ready 1\n', '/metrics/enforcer': async () => 'sluice_ready 1\n' };
    const listener = await listenForMetrics({ host: '127.0.0.1', port: 0, credentials, identify, pages });
    cleanUp.defer(() => listener.close());
    return listener.port;
  };
  const [controller, agent] = [await listen(controllerProfile()), await listen(servingNodeProfile('n1'))];
  const observer = await issueWithKey(authority, observerProfile('prometheus'));
  for (const [name, text] of [
    ['ca.crt', authority.certificate],
    ['prometheus.crt', observer.certificate],
    ['prometheus.key', observer.privateKey],
  ] as const)
    writeFileSync(folder.join(name), text);
  const written = readFileSync(`${MONITORING}scrape.yaml`, 'utf8')
    .replaceAll('/etc/prometheus/sluice', folder.path)
    .replaceAll(':18020', `:${agent}`);
  const { scrape_configs } = configView.parse(load(written));
  const jobs = scrape_configs.map(({ kubernetes_sd_configs: _, ...job }) => {
    const component = job.job_name.replace('sluice-', '');
    return { ...job, static_configs: [podOf(component, component === 'controller' ? controller : agent)] };
  });
  const config = { global: { scrape_interval: '1s' }, rule_files: [`${MONITORING}alerts.yaml`], scrape_configs: jobs };
  writeFileSync(folder.join('prometheus.yaml'), dump(config));
  const port = await freePort();
  const options = [`--config.file=${folder.join('prometheus.yaml')}`, `--storage.tsdb.path=${folder.join('data')}`];
  const prometheus = spawn(PROMETHEUS, [...options, `--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' });
  cleanUp.defer(() => ended(prometheus));
  await eventually(
    async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/targets`);
      const { activeTargets } = targetsView.parse(await answer.json()).data;
      const found = activeTargets.map(({ labels, health, lastError }) => `${labels['job']} ${labels['instance']} ${lastError || health}`);
      assert.deepEqual(found.sort(), ['sluice-agent n1 up', 'sluice-controller controller-1 up', 'sluice-enforcer n1 up']);
    },
    { withinMs: 60_000 },
  );
});
