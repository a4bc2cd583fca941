import { randomBytes } from 'node:crypto';
import type { Platform, Site } from './platform.ts';
import type { Scenario } from './scenario.ts';
import { World } from './world.ts';

export interface ScenarioResult {
  readonly scenario: Scenario;
  /** `not-applicable` only where a scenario says that it needs a cluster, and there is none. */
  readonly outcome: 'passed' | 'failed' | 'not-applicable';
  readonly milliseconds: number;
  readonly requests: number;
  /** What went wrong, or why it is not applicable. */
  readonly message?: string;
}

/**
 * Runs scenarios, several at once, and those that disturb others by themselves at the end. What cannot be run has failed.
 * @param onResult is told of each as it ends
 * @returns one result a scenario, in their order
 */
export async function runScenarios(
  platform: Platform,
  scenarios: readonly Scenario[],
  onResult: (result: ScenarioResult) => void = () => {},
): Promise<readonly ScenarioResult[]> {
  const results = new Map<Scenario, ScenarioResult>();
  const work = async (queue: Iterator<Scenario>) => {
    for (let next = queue.next(); !next.done; next = queue.next()) {
      const result = await runScenario(platform, next.value);
      results.set(next.value, result);
      onResult(result);
    }
  };
  const together = scenarios.filter(({ alone }) => !alone).values();
  await Promise.all(Array.from({ length: platform.concurrency }, async () => await work(together)));
  await work(scenarios.filter(({ alone }) => alone).values());
  return scenarios.flatMap((scenario) => results.get(scenario) ?? []);
}

async function runScenario(platform: Platform, scenario: Scenario): Promise<ScenarioResult> {
  const { needsCluster } = scenario;
  if (needsCluster !== undefined && platform.kind !== 'cluster') {
    return { scenario, outcome: 'not-applicable', milliseconds: 0, requests: 0, message: needsCluster };
  }
  const start = performance.now();
  const counted = { requests: 0 };
  let message: string | undefined;
  try {
    await withinLimit(platform.limitMs, async (closing) => await play(platform, scenario, counted, closing));
  } catch (error) {
    message = describe(error);
  }
  const milliseconds = Math.round(performance.now() - start);
  const outcome = message === undefined ? 'passed' : 'failed';
  return { scenario, outcome, milliseconds, requests: counted.requests, ...(message !== undefined && { message }) };
}

async function play(platform: Platform, scenario: Scenario, counted: { requests: number }, closing: AsyncDisposableStack): Promise<void> {
  const site: Site = await platform.open();
  closing.defer(async () => await site.close());
  const world = new World(site, `sluice-conformance-${randomBytes(4).toString('hex')}`);
  closing.use(world);
  await site.addNamespace(world.namespace);
  try {
    await scenario.run(world);
  } finally {
    await world[Symbol.asyncDispose]();
    counted.requests = world.requests;
  }
  const { requests: floor = 1 } = scenario;
  if (world.requests < floor) throw new Error(`sent ${world.requests} requests, fewer than the ${floor} that show anything`);
}

/** Cleans up in any case; a scenario that cannot be cleaned up after has failed. */
async function withinLimit(limitMs: number, run: (closing: AsyncDisposableStack) => Promise<void>): Promise<void> {
  await using closing = new AsyncDisposableStack();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done in ${limitMs / 1000} s`)), limitMs);
  });
  try {
    await Promise.race([run(closing), late]);
  } finally {
    clearTimeout(timer);
  }
}

function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describe).join('; ');
  return error instanceof Error ? error.message : String(error);
}
