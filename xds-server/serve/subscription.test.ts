import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { covers, NOTHING, type Resubscription, resubscribeDelta, resubscribeSotw, type Subscription } from './subscription.ts';

const names = (...all: string[]): Subscription => ({ kind: 'names', names: new Set(all) });
const everything = (...all: string[]): Subscription => ({ kind: 'everything', names: new Set(all) });
const byDefault = (...all: string[]): Subscription => ({ kind: 'everything-by-default', names: new Set(all) });

interface Case {
  readonly title: string;
  readonly before: Subscription;
  readonly expect: Resubscription;
}

const DELTA: readonly (Case & { subscribe?: string[]; unsubscribe?: string[]; first?: true; collection?: false })[] = [
  {
    title: 'naming nothing at first is everything',
    before: NOTHING,
    first: true,
    expect: { subscription: byDefault(), asked: [], left: [], wildcard: 'entered' },
  },
  {
    title: 'naming nothing at first is nothing for a type that is asked for by names',
    before: NOTHING,
    first: true,
    collection: false,
    expect: { subscription: names(), asked: [], left: [], wildcard: 'unchanged' },
  },
  {
    title: 'the asterisk is everything',
    before: NOTHING,
    first: true,
    subscribe: ['*', 'a'],
    expect: { subscription: everything('a'), asked: ['a'], left: [], wildcard: 'entered' },
  },
  {
    title: 'names are added',
    before: names('a'),
    subscribe: ['b'],
    expect: { subscription: names('a', 'b'), asked: ['b'], left: [], wildcard: 'unchanged' },
  },
  {
    title: 'a name that is asked for again is sent again',
    before: names('a'),
    subscribe: ['a'],
    expect: { subscription: names('a'), asked: ['a'], left: [], wildcard: 'unchanged' },
  },
  {
    title: 'names are left, and those never asked for ignored',
    before: names('a', 'b'),
    unsubscribe: ['a', 'x'],
    expect: { subscription: names('b'), asked: [], left: ['a'], wildcard: 'unchanged' },
  },
  {
    title: 'a name that is left and asked for in one request is asked for',
    before: names('a'),
    subscribe: ['a'],
    unsubscribe: ['a'],
    expect: { subscription: names('a'), asked: ['a'], left: [], wildcard: 'unchanged' },
  },
  {
    title: 'a later request without names changes nothing',
    before: names('a'),
    expect: { subscription: names('a'), asked: [], left: [], wildcard: 'unchanged' },
  },
  {
    title: 'names besides everything keep everything',
    before: byDefault(),
    subscribe: ['a'],
    expect: { subscription: byDefault('a'), asked: ['a'], left: [], wildcard: 'unchanged' },
  },
  {
    title: 'who leaves a name and keeps everything hears of the name',
    before: everything('a'),
    unsubscribe: ['a'],
    expect: { subscription: everything(), asked: ['a'], left: [], wildcard: 'unchanged' },
  },
  {
    title: 'leaving the asterisk keeps the names',
    before: everything('a'),
    unsubscribe: ['*'],
    expect: { subscription: names('a'), asked: [], left: [], wildcard: 'left' },
  },
  {
    title: 'leaving the asterisk ends everything by default too',
    before: byDefault(),
    unsubscribe: ['*'],
    expect: { subscription: names(), asked: [], left: [], wildcard: 'left' },
  },
];

const SOTW: readonly (Case & { wanted: string[]; collection?: false })[] = [
  {
    title: 'naming nothing at first is everything',
    before: NOTHING,
    wanted: [],
    expect: { subscription: byDefault(), asked: [], left: [], wildcard: 'entered' },
  },
  {
    title: 'naming nothing goes on to be everything',
    before: byDefault(),
    wanted: [],
    expect: { subscription: byDefault(), asked: [], left: [], wildcard: 'unchanged' },
  },
  {
    title: 'naming nothing is nothing for a type that is asked for by names',
    before: NOTHING,
    wanted: [],
    collection: false,
    expect: { subscription: names(), asked: [], left: [], wildcard: 'unchanged' },
  },
  {
    title: 'a first name ends everything by default',
    before: byDefault(),
    wanted: ['a'],
    expect: { subscription: names('a'), asked: ['a'], left: [], wildcard: 'left' },
  },
  {
    title: 'naming nothing after names is nothing',
    before: names('a'),
    wanted: [],
    expect: { subscription: names(), asked: [], left: ['a'], wildcard: 'unchanged' },
  },
  {
    title: 'what is not named any more is left',
    before: names('a', 'b'),
    wanted: ['b', 'c'],
    expect: { subscription: names('b', 'c'), asked: ['c'], left: ['a'], wildcard: 'unchanged' },
  },
  {
    title: 'the asterisk is everything',
    before: names('a'),
    wanted: ['*', 'a'],
    expect: { subscription: everything('a'), asked: [], left: [], wildcard: 'entered' },
  },
  {
    title: 'without the asterisk it is names again',
    before: everything('a'),
    wanted: ['a'],
    expect: { subscription: names('a'), asked: [], left: [], wildcard: 'left' },
  },
];

describe('a delta subscription', () => {
  for (const { title, before, subscribe = [], unsubscribe = [], first = false, collection = true, expect } of DELTA) {
    test(title, () => assert.deepEqual(resubscribeDelta(before, { subscribe, unsubscribe }, { first, collection }), expect));
  }
});

describe('a subscription to the state of the world', () => {
  for (const { title, before, wanted, collection = true, expect } of SOTW) {
    test(title, () => assert.deepEqual(resubscribeSotw(before, wanted, { collection }), expect));
  }
});

test('a subscription covers', () => {
  const covered = [NOTHING, names('a'), names('b'), everything(), byDefault('b')].map((subscription) => covers(subscription, 'a'));
  assert.deepEqual(covered, [false, true, false, true, true]);
});
