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

test('all who ask at the same time share one text, and who may have an old one asks nobody', async () => {
  const text = new MetricsText(new Registry());
  let asked = 0;
  const answers: PromiseWithResolvers<string>[] = [];
  text.add({
    name: 'slow',
    read: () => {
      asked += 1;
      const answer = Promise.withResolvers<string>();
      answers.push(answer);
      return answer.promise;
    },
  });
  const first = [text.read(), text.read(), text.read(60_000)];
  answers[0]?.resolve('slow 1\n');
  for (const each of await Promise.all(first)) assert.deepEqual(linesOf(each)[0], 'slow 1');
  assert.equal(asked, 1);
  assert.deepEqual(linesOf(await text.read(60_000))[0], 'slow 1');
  assert.equal(asked, 1);
  const next = text.read();
  answers[1]?.resolve('slow 2\n');
  assert.deepEqual(linesOf(await next)[0], 'slow 2');
});
