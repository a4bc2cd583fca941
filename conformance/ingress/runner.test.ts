import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { runIngressSuite } from './main.ts';
import type { Platform, Site } from './platform.ts';
import { runScenarios } from './runner.ts';
import type { Scenario } from './scenario.ts';
import { titleOf } from './scenario.ts';
import { SCENARIOS } from './scenarios/index.ts';
import type { World } from './world.ts';

function refuse(): never {
  throw new Error('these scenarios need nothing');
}

/** A place where nothing is served, for scenarios that ask for nothing. */
class EmptyPlatform implements Platform {
  readonly kind: 'cluster' | 'standalone';
  readonly concurrency = 2;
  readonly limitMs: number;
  readonly #closing: () => Promise<void>;
  opened = 0;
  closed = 0;

  constructor({
    kind = 'standalone',
    limitMs = 20_000,
    closing = async () => {},
  }: { kind?: 'cluster' | 'standalone'; limitMs?: number; closing?: () => Promise<void> } = {}) {
    this.kind = kind;
    this.limitMs = limitMs;
    this.#closing = closing;
  }

  async versions() {
    return { Sluice: '1.2.3' };
  }

  async open(): Promise<Site> {
    this.opened += 1;
    const close = async () => {
      this.closed += 1;
      await this.#closing();
    };
    return {
      addNamespace: async () => {},
      apply: refuse,
      remove: refuse,
      deploy: refuse,
      untilServed: refuse,
      ownAddress: refuse,
      cluster: refuse,
      close,
    };
  }

  async close() {}
}

function scenario(name: string, run: (world: World) => Promise<void>, more: Partial<Scenario> = {}): Scenario {
  return { area: 'tls', name, reference: 'https://example.com/', requests: 0, run, ...more };
}

const passes = async () => {};
const fails = async () => await Promise.reject(new Error('the answer is\nanother'));

describe('the runner', () => {
  test('tells what passed, what failed and why, and what needs a cluster', async () => {
    const scenarios = [
      scenario('right', passes),
      scenario('wrong', fails),
      scenario('elsewhere', passes, { needsCluster: 'only a cluster has it' }),
    ];
    const platform = new EmptyPlatform();
    const results = await runScenarios(platform, scenarios);
    assert.deepEqual(
      results.map(({ scenario: { name }, outcome, message }) => [name, outcome, message]),
      [
        ['right', 'passed', undefined],
        ['wrong', 'failed', 'the answer is\nanother'],
        ['elsewhere', 'not-applicable', 'only a cluster has it'],
      ],
    );
    assert.deepEqual([platform.opened, platform.closed], [2, 2]);
  });

  test('runs what needs a cluster where there is one', async () => {
    const [result] = await runScenarios(new EmptyPlatform({ kind: 'cluster' }), [
      scenario('there', passes, { needsCluster: 'only a cluster has it' }),
    ]);
    assert.equal(result?.outcome, 'passed');
  });

  test('a scenario that sends fewer requests than it says has failed', async () => {
    const one = async (world: World) => world.countRequest();
    const [few, enough] = await runScenarios(new EmptyPlatform(), [
      scenario('few', one, { requests: 2 }),
      scenario('enough', one, { requests: 1 }),
    ]);
    assert.deepEqual(
      [few?.outcome, few?.message, enough?.outcome],
      ['failed', 'sent 1 requests, fewer than the 2 that show anything', 'passed'],
    );
  });

  test('a scenario that does not end, or cannot be cleaned up after, has failed', async () => {
    const late = await runScenarios(new EmptyPlatform({ limitMs: 50 }), [scenario('endless', async () => await new Promise(() => {}))]);
    assert.deepEqual([late[0]?.outcome, late[0]?.message], ['failed', 'not done in 0.05 s']);
    const closing = async () => await Promise.reject(new Error('it stays'));
    const left = await runScenarios(new EmptyPlatform({ closing }), [scenario('leaving', passes)]);
    assert.deepEqual([left[0]?.outcome, left[0]?.message], ['failed', 'it stays']);
  });

  test('what disturbs others runs last and by itself', async () => {
    const running = new Set<string>();
    const seen: string[] = [];
    const named = (name: string, more: Partial<Scenario> = {}) =>
      scenario(
        name,
        async () => {
          running.add(name);
          await new Promise((resolve) => setImmediate(resolve));
          seen.push([...running].join('+'));
          running.delete(name);
        },
        more,
      );
    await runScenarios(new EmptyPlatform(), [named('alone', { alone: true }), named('a'), named('b')]);
    assert.deepEqual(seen, ['a+b', 'b', 'alone']);
  });
});

function recorder() {
  const texts: Record<'out' | 'error', string[]> = { out: [], error: [] };
  const streams = { out: (text: string) => void texts.out.push(text), error: (text: string) => void texts.error.push(text) };
  return { streams, out: () => texts.out.join(''), error: () => texts.error.join('') };
}

async function command(args: readonly string[], scenarios: readonly Scenario[]) {
  const { streams, out, error } = recorder();
  const code = await runIngressSuite(args, streams, scenarios, async () => new EmptyPlatform());
  return { code, out: out(), error: error() };
}

describe('the command', () => {
  const both = [scenario('right', passes), scenario('wrong', fails)];
  const codes: readonly (readonly [args: readonly string[], scenarios: readonly Scenario[], code: number, said: RegExp])[] = [
    [['--standalone'], [scenario('right', passes)], 0, /ok {5}1\/1 tls: right.*1 passed, 0 failed, 0 not applicable/s],
    [['--standalone'], both, 1, /FAIL {3}2\/2 tls: wrong.*1 passed, 1 failed, 0 not applicable/s],
    [['--standalone', '--filter', 'TLS: Right'], both, 0, /1 passed, 0 failed/],
    [['--standalone', '--filter', 'nothing like it'], both, 2, /^$/],
    [['--standalone'], [scenario('elsewhere', passes, { needsCluster: 'it does' })], 1, /0 passed, 0 failed, 1 not applicable/],
    [['--list'], both, 0, /^tls: right\ntls: wrong\n$/],
    [['--help'], both, 0, /usage: npm run conformance/],
    [['--lab', '--standalone'], both, 2, /^$/],
    [['--standalone', '--kubeconfig', 'x'], both, 2, /^$/],
    [['--standalone', '--output', 'xml'], both, 2, /^$/],
    [['--standalone', '--concurrency', '0'], both, 2, /^$/],
    [['--unknown'], both, 2, /^$/],
  ];
  for (const [args, scenarios, code, said] of codes) {
    test(`${args.join(' ') || '(nothing)'} ends with ${code}`, async () => {
      const found = await command(args, scenarios);
      assert.equal(found.code, code, found.error);
      assert.match(found.out, said);
    });
  }

  test('json is the report and nothing else', async () => {
    const { out } = await command(['--standalone', '--output', 'json'], both);
    const report: unknown = JSON.parse(out);
    assert.partialDeepStrictEqual(report, {
      suite: 'ingress',
      platform: 'standalone',
      versions: { Sluice: '1.2.3' },
      passed: 1,
      failed: 1,
      notApplicable: 0,
    });
  });

  test('the report is written as JSON and as Markdown', async () => {
    using folder = new TemporaryFolder();
    const covering = scenario('a | b', fails, { covers: ['paths: x'] });
    await command(['--standalone', '--report', folder.path], [covering]);
    const report: unknown = JSON.parse(readFileSync(folder.join('ingress-standalone.json'), 'utf8'));
    assert.partialDeepStrictEqual(report, {
      results: [{ area: 'tls', name: 'a | b', covers: ['paths: x'], outcome: 'failed', requests: 0, message: 'the answer is\nanother' }],
    });
    const markdown = readFileSync(folder.join('ingress-standalone.md'), 'utf8');
    assert.match(markdown, /^0 passed, 1 failed, 0 not applicable, in \d+ s on \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.$/m);
    assert.match(markdown, /^\| \[a \\\| b\]\(https:\/\/example\.com\/\) \| failed: the answer is another \| 0 \| \d+\.\d s \|$/m);
    assert.match(markdown, /^\| paths: x \| failed \|$/m);
  });
});

describe('the scenarios', () => {
  test('are many, each with a name of its own', () => {
    assert.ok(SCENARIOS.length >= 120, `${SCENARIOS.length}`);
    assert.equal(new Set(SCENARIOS.map(titleOf)).size, SCENARIOS.length);
  });

  test('cover each of the 30 of kubernetes-sigs/ingress-controller-conformance', () => {
    const covered = SCENARIOS.flatMap(({ covers = [] }) => covers);
    const features = Map.groupBy(covered, (name) => name.slice(0, name.indexOf(':')));
    const counts = Object.fromEntries([...features].map(([feature, names]) => [feature, new Set(names).size]));
    assert.deepEqual(counts, { 'default backend': 6, 'host rules': 6, 'path rules': 16, 'ingress class': 1, 'load balancing': 1 });
  });

  test('run on a standalone Sluice', needs('envoy'), async () => {
    const said = recorder();
    const code = await runIngressSuite(['--standalone', '--filter', 'host rules: A host is served over TLS'], said.streams);
    assert.equal(code, 0, said.out());
    assert.match(said.out(), /1 passed, 0 failed, 0 not applicable/);
  });
});
