import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counter, Gauge, Registry } from 'prom-client';
import { MetricsText } from './metrics-text.ts';

/** Lines of a text but for comments. */
const linesOf = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

test('what fails is left out and counted, and the rest told without', async () => {
  const registry = new Registry();
  const text = new MetricsText(registry);
  new Counter({ name: 'good_total', help: 'x', registers: [registry] }).inc(3);
  new Gauge({
    name: 'broken',
    help: 'x',
    registers: [registry],
    collect() {
      throw new Error('hush');
    },
  });
  text.add({ name: 'away', read: () => Promise.reject(new Error('hush')) });
  text.add({
    name: 'strange',
    read: () => {
      throw new TypeError('hush');
    },
  });
  text.add({ name: 'well', read: () => 'elsewhere 1\n' });
  await text.read();
  assert.deepEqual(linesOf(await text.read()), [
    'elsewhere 1',
    'good_total 3',
    'sluice_metrics_failures_total{source="away"} 2',
    'sluice_metrics_failures_total{source="strange"} 2',
    'sluice_metrics_failures_total{source="well"} 0',
    'sluice_metrics_failures_total{source="broken"} 2',
  ]);
});
