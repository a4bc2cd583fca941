import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { loadAll } from 'js-yaml';
import { z } from 'zod';
import { needs, PROMTOOL } from '../../testkit/capabilities.ts';
import { DASHBOARDS, MONITORING, readAlerts, readDashboard } from '../../testkit/dashboards.ts';

const read = (name: string) => readFileSync(`${MONITORING}${name}`, 'utf8');

function promtool(...args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(PROMTOOL, args, { cwd: MONITORING, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
}

describe('promtool', needs('prometheus'), () => {
  test('takes the rules', () => promtool('check', 'rules', 'alerts.yaml'));

  test('sees each alert fire where it is to, and not where not', () => promtool('test', 'rules', 'alerts.test.yaml'));
});

const caseView = z.object({
  tests: z.array(z.object({ alert_rule_test: z.array(z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()) })) })),
});

test('each alert is proven to fire, and not to', () => {
  const cases = caseView.parse(loadAll(read('alerts.test.yaml'))[0]).tests.flatMap(({ alert_rule_test }) => alert_rule_test);
  for (const { alert } of readAlerts()) {
    const counts = new Set(cases.filter(({ alertname }) => alertname === alert).map(({ exp_alerts }) => exp_alerts.length > 0));
    assert.deepEqual(counts, new Set([true, false]), alert);
  }
});

test("the rules for Prometheus' operator are the same", () => {
  const text = read('operator.yaml');
  const start = text.indexOf('spec:\n  groups:\n') + 'spec:\n'.length;
  const groups = read('alerts.yaml').slice(read('alerts.yaml').indexOf('groups:\n'));
  const expected = text.slice(0, start) + groups.replace(/^(?=.)/gm, '  ');
  if (process.env['UPDATE_GOLDEN'] !== undefined && !process.env['CI']) writeFileSync(`${MONITORING}operator.yaml`, expected);
  assert.equal(read('operator.yaml'), expected);
  const kinds = loadAll(expected).map((object) => z.object({ kind: z.string() }).parse(object).kind);
  assert.deepEqual(kinds, ['PodMonitor', 'PodMonitor', 'PodMonitor', 'PrometheusRule']);
});

const containerView = z.object({
  name: z.string(),
  env: z.array(z.object({ name: z.string(), value: z.string().optional() })).default([]),
  ports: z.array(z.object({ name: z.string(), containerPort: z.int() })).default([]),
});
const templateView = z.object({ spec: z.object({ template: z.object({ spec: z.object({ containers: z.array(containerView) }) }) }) });
const workloadView = z.object({ kind: z.string(), metadata: z.object({ name: z.string() }), ...templateView.shape });

/** Of every program, on the host's network or not: nobody else's that is known of. */
const PORT = 18_020;

for (const name of ['controller', 'agent'] as const) {
  test(`the patch of sluice-${name} opens its metrics, and takes nothing away`, () => {
    const objects = loadAll(read('../install.yaml')).flatMap((object) => workloadView.safeParse(object).data ?? []);
    const containersOf = ({ spec }: z.output<typeof templateView>) => spec.template.spec.containers;
    const patched = objects.find(({ metadata }) => metadata.name === `sluice-${name}`);
    const container = patched && containersOf(patched).find((each) => each.name === name);
    const [patch] = containersOf(templateView.parse(loadAll(read(`${name}-metrics.yaml`))[0]));
    assert.ok(container && patch);
    assert.equal(patch.name, name);
    assert.deepEqual(
      patch.env.map((each) => [each.name, each.value]),
      [
        ['POD_IP', undefined],
        ['SLUICE_METRICS_ADDRESS', `$(POD_IP):${PORT}`],
      ],
    );
    assert.deepEqual(patch.ports, [{ name: 'metrics', containerPort: PORT }]);
    // Lists are joined by these, and what has the same would be another's.
    assert.ok(container.env.every((each) => !patch.env.some((own) => own.name === each.name)));
    assert.ok(container.ports.every(({ containerPort }) => containerPort !== PORT));
  });
}

const policyView = z.object({
  kind: z.literal('NetworkPolicy'),
  spec: z.object({ ingress: z.array(z.object({ from: z.array(z.unknown()).optional(), ports: z.array(z.object({ port: z.int() })) })) }),
});

test('the example of a NetworkPolicy opens metrics to somebody, and the control plane to all', () => {
  const { spec } = policyView.parse(loadAll(read('network-policy.yaml'))[0]);
  const opened = spec.ingress.map(({ from, ports }) => [from === undefined, ports.map(({ port }) => port)]);
  assert.deepEqual(opened, [
    [true, [18_000]],
    [false, [PORT]],
  ]);
});

for (const name of DASHBOARDS) {
  test(`the dashboard ${name} is whole`, () => {
    const { panels, templating } = readDashboard(name);
    assert.equal(templating.list[0]?.name, 'datasource');
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    assert.equal(new Set(panels.map(({ title }) => title)).size, panels.length);
    for (const { title, type, targets, datasource } of panels) {
      if (type === 'row') continue;
      assert.ok(datasource && targets && targets.length > 0, title);
    }
    for (const [index, { title, gridPos: a }] of panels.entries()) {
      assert.ok(a.x + a.w <= 24, title);
      for (const { title: other, gridPos: b } of panels.slice(index + 1)) {
        const isApart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        assert.ok(isApart, `${title} lies over ${other}`);
      }
    }
  });
}
