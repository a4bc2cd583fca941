import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Collection, Graph } from './index.ts';

interface Order {
  readonly customer: string;
  readonly amount: number;
}

/** Orders, customers' names looked up by each order, totals by customer, and a sentence made of both. */
function shop(onCompute: (what: string) => void = () => {}) {
  const graph = new Graph();
  const orders = graph.input<Order>('orders');
  const names = graph.input<string>('names');
  const byCustomer = graph.group('orders by customer', orders, (order) => [[order.customer, order.amount] as const]);
  const totals = graph.derive('totals', byCustomer, (amounts, customer) => {
    onCompute(`total ${customer}`);
    return amounts.reduce((sum, amount) => sum + amount, 0);
  });
  const sentences = graph.derive('sentences', totals, (total, customer, read) => {
    onCompute(`sentence ${customer}`);
    return total === 0 ? undefined : { text: `${read(names, customer) ?? 'nobody'} owes ${total}` };
  });
  return { graph, orders, names, byCustomer, totals, sentences };
}

function content<V>(collection: Collection<V>): Record<string, V> {
  return Object.fromEntries([...collection.entries()].sort(([a], [b]) => (a < b ? -1 : 1)));
}

test('a change computes again only what was computed from it', () => {
  const computed: string[] = [];
  const { graph, orders, names, sentences } = shop((what) => computed.push(what));
  orders.set('1', { customer: 'ada', amount: 3 });
  orders.set('2', { customer: 'bob', amount: 4 });
  names.set('ada', 'Ada');
  graph.settle();
  assert.deepEqual(content(sentences), { ada: { text: 'Ada owes 3' }, bob: { text: 'nobody owes 4' } });

  computed.length = 0;
  names.set('bob', 'Bob');
  graph.settle();
  assert.deepEqual(computed, ['sentence bob'], 'a name that was read as absent is a dependency too');
  assert.deepEqual([...sentences.changed], ['bob']);

  computed.length = 0;
  orders.set('3', { customer: 'ada', amount: 2 });
  graph.settle();
  assert.deepEqual(computed, ['total ada', 'sentence ada']);
});

test('equal output keeps its identity and stops the change', () => {
  const computed: string[] = [];
  const { graph, orders, sentences } = shop((what) => computed.push(what));
  orders.set('1', { customer: 'ada', amount: 3 });
  orders.set('2', { customer: 'ada', amount: 4 });
  graph.settle();
  const before = sentences.get('ada');
  computed.length = 0;
  orders.set('1', { customer: 'ada', amount: 4 });
  orders.set('2', { customer: 'ada', amount: 3 });
  graph.settle();
  assert.deepEqual(computed, ['total ada'], 'the total did not change, so the sentence was not made again');
  assert.equal(sentences.get('ada'), before);
  assert.equal(sentences.changed.size, 0);
});

test('an input that is set to equal content changes nothing', () => {
  const { graph, orders, totals } = shop();
  orders.set('1', { customer: 'ada', amount: 3 });
  graph.settle();
  orders.set('1', { customer: 'ada', amount: 3 });
  graph.settle();
  assert.deepEqual([...orders.changed], []);
  assert.deepEqual([...totals.changed], []);
});

test('a group stands in the order of its keys and goes with its last member', () => {
  const { graph, orders, byCustomer } = shop();
  for (const key of ['b', 'c', 'a']) orders.set(key, { customer: 'ada', amount: key.charCodeAt(0) });
  graph.settle();
  assert.deepEqual(byCustomer.get('ada'), [97, 98, 99]);
  for (const key of ['a', 'b', 'c']) orders.delete(key);
  graph.settle();
  assert.equal(byCustomer.get('ada'), undefined);
  assert.deepEqual([...byCustomer.changed], ['ada']);
});

test('a union holds what its collections hold, the first where several do', () => {
  const graph = new Graph();
  const first = graph.input<number>('first');
  const second = graph.input<number>('second');
  const both = graph.union('both', first, second);
  first.set('a', 1);
  second.set('a', 2);
  second.set('b', 3);
  graph.settle();
  assert.deepEqual(content(both), { a: 1, b: 3 });
  first.delete('a');
  second.delete('b');
  graph.settle();
  assert.deepEqual(content(both), { a: 2 });
  assert.deepEqual([...both.changed].sort(), ['a', 'b']);
});

test('settling tells of each stage that is entered', () => {
  const graph = new Graph();
  graph.beginStage('one');
  const numbers = graph.input<number>('numbers');
  graph.beginStage('two');
  graph.derive('halves', numbers, (value) => value / 2);
  graph.derive('doubles', numbers, (value) => value * 2);
  const stages: string[] = [];
  graph.settle((stage) => stages.push(stage));
  assert.deepEqual(stages, ['one', 'two']);
});

test('a computation that throws leaves the value before in force and its neighbours alone', () => {
  const failures: string[] = [];
  const graph = new Graph((collection, key) => failures.push(`${collection} ${key}`));
  const numbers = graph.input<number>('numbers');
  const halves = graph.derive('halves', numbers, (value) => {
    if (value % 2 !== 0) throw new Error('odd');
    return value / 2;
  });
  numbers.set('a', 2);
  graph.settle();
  numbers.set('a', 3);
  numbers.set('b', 8);
  graph.settle();
  assert.deepEqual(content(halves), { a: 1, b: 4 });
  assert.deepEqual(failures, ['halves a']);
});

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const step = fc.oneof(
  fc.record({ kind: fc.constant('order' as const), key, customer: key, amount: fc.integer({ min: -2, max: 2 }) }),
  fc.record({ kind: fc.constant('cancel' as const), key }),
  fc.record({ kind: fc.constant('name' as const), key, name: fc.constantFrom('x', 'y') }),
  fc.record({ kind: fc.constant('settle' as const) }),
);

test('after any history the collections are what a fresh graph makes of the same inputs', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (history) => {
      const lived = shop();
      for (const event of history) {
        if (event.kind === 'order') lived.orders.set(event.key, event);
        else if (event.kind === 'cancel') lived.orders.delete(event.key);
        else if (event.kind === 'name') lived.names.set(event.key, event.name);
        else lived.graph.settle();
      }
      lived.graph.settle();
      const fresh = shop();
      for (const [orderKey, order] of lived.orders.entries()) fresh.orders.set(orderKey, order);
      for (const [nameKey, name] of lived.names.entries()) fresh.names.set(nameKey, name);
      fresh.graph.settle();
      assert.deepEqual(content(lived.byCustomer), content(fresh.byCustomer));
      assert.deepEqual(content(lived.sentences), content(fresh.sentences));
    }),
    { numRuns: 500 },
  );
});
