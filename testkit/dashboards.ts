import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadAll } from 'js-yaml';
import { z } from 'zod';

/** Where what is for Prometheus and Grafana stands. */
export const MONITORING = fileURLToPath(new URL('../manifests/monitoring/', import.meta.url));

export const DASHBOARDS = ['traffic', 'control-plane'] as const;

/** Which Prometheus, is chosen where a dashboard is looked at. */
const source = z.object({ type: z.literal('prometheus'), uid: z.string().regex(/^\$\{datasource\}$/) });
const panelView = z.object({
  id: z.int(),
  title: z.string().min(1),
  type: z.string(),
  gridPos: z.object({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
  datasource: source.optional(),
  targets: z.array(z.object({ refId: z.string(), expr: z.string().min(1), legendFormat: z.string(), datasource: source })).optional(),
});
const dashboardView = z.object({
  uid: z.string(),
  title: z.string(),
  templating: z.object({ list: z.array(z.object({ name: z.string(), type: z.string() })) }),
  panels: z.array(panelView),
});

export type Dashboard = z.output<typeof dashboardView>;

export function readDashboard(name: (typeof DASHBOARDS)[number]): Dashboard {
  return dashboardView.parse(JSON.parse(readFileSync(`${MONITORING}${name}.json`, 'utf8')));
}

const rulesView = z.object({
  groups: z.array(z.object({ name: z.string(), rules: z.array(z.object({ alert: z.string(), expr: z.string() })) })),
});

export type AlertRule = z.output<typeof rulesView>['groups'][number]['rules'][number];

export function readAlerts(): readonly AlertRule[] {
  const [document] = loadAll(readFileSync(`${MONITORING}alerts.yaml`, 'utf8'));
  return rulesView.parse(document).groups.flatMap(({ rules }) => rules);
}
