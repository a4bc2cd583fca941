import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EnvoyConfig } from '../../envoy-config/index.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { CLUSTER } from '../../xds-server/translate/types.ts';
import { DryRun } from './dry-run.ts';

interface NamedTrial {
  readonly name: string;
  readonly config: EnvoyConfig;
}

/** A config of clusters, each known by its text in a bootstrap. */
function trial(name: string, ...clusters: readonly string[]): NamedTrial {
  const object = { kind: 'CiliumEnvoyConfig', namespace: 'default', name };
  const resources = clusters.map((cluster) => ({
    resource: modelResource(CLUSTER, cluster, cluster),
    source: { object, path: [cluster] },
  }));
  return { name, config: { object, resources, listeners: [], endpointSets: [], secrets: [], services: [] } };
}

class Scene implements AsyncDisposable {
  /** What was asked about, by what of it is known. */
  readonly asked: string[] = [];
  /** What came of each, by batch. */
  readonly concluded: string[][] = [];
  readonly #dryRun: DryRun<NamedTrial>;

  /** @param judge says what is against a bootstrap with these clusters */
  constructor(known: readonly string[], judge: (clusters: readonly string[]) => string | undefined) {
    this.#dryRun = new DryRun<NamedTrial>({
      bootstrap: new Uint8Array(),
      objectionTo: async (bootstrap) => {
        const text = Buffer.from(bootstrap).toString('latin1');
        const clusters = known.filter((cluster) => text.includes(cluster));
        this.asked.push(clusters.join(' '));
        return judge(clusters);
      },
      onConcluded: (concluded) =>
        this.concluded.push(
          concluded.map(({ trial: { name }, verdict }) => {
            const what = verdict.kind === 'refused' ? `${verdict.unit.name}: ${verdict.words}` : verdict.kind;
            return `${name} ${verdict.kind === 'untried' ? verdict.reason : what}`;
          }),
        ),
    });
  }

  async try(...trials: readonly NamedTrial[]): Promise<readonly string[]> {
    const before = this.concluded.length;
    this.#dryRun.take(trials);
    await this.#dryRun.idle();
    assert.equal(this.#dryRun.open, 0);
    return this.concluded.slice(before).flat().sort();
  }

  begin(...trials: readonly NamedTrial[]): void {
    this.#dryRun.take(trials);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dryRun[Symbol.asyncDispose]();
  }
}

const badIs =
  (...bad: readonly string[]) =>
  (clusters: readonly string[]) => {
    const found = clusters.find((cluster) => bad.includes(cluster));
    return found === undefined ? undefined : `no ${found}`;
  };

describe('a dry run', () => {
  test('asks once about all that is given at once', async () => {
    await using scene = new Scene(['c-1', 'c-2', 'c-3'], () => undefined);
    assert.deepEqual(await scene.try(trial('a', 'c-1', 'c-2'), trial('b', 'c-3')), ['a taken', 'b taken']);
    assert.deepEqual(scene.asked, ['c-1 c-2 c-3']);
  });

  test('does not ask about what it knows to be taken', async () => {
    await using scene = new Scene(['c-1', 'c-2', 'c-3'], badIs('c-3'));
    await scene.try(trial('a', 'c-1', 'c-2'));
    assert.deepEqual(await scene.try(trial('b', 'c-2')), ['b taken']);
    assert.equal(scene.asked.length, 1);
    assert.deepEqual(await scene.try(trial('c', 'c-3')), ['c c-3: no c-3']);
    assert.deepEqual(await scene.try(trial('c', 'c-3')), ['c c-3: no c-3']);
  });

  test('finds what is refused among much, and the rest is taken', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `c-${index}-`);
    await using scene = new Scene(names, badIs('c-7-', 'c-33-'));
    const found = await scene.try(...names.map((name) => trial(name, name)));
    assert.equal(found.length, 40);
    assert.deepEqual(
      found.filter((each) => !each.endsWith('taken')),
      ['c-33- c-33-: no c-33-', 'c-7- c-7-: no c-7-'],
    );
  });

  test('refuses nothing that is only refused beside another', async () => {
    const judge = (clusters: readonly string[]) => (clusters.length > 1 ? 'twice' : undefined);
    await using scene = new Scene(['c-1', 'c-2'], judge);
    assert.deepEqual(await scene.try(trial('a', 'c-1'), trial('b', 'c-2')), ['a taken', 'b taken']);
  });

  test('puts two of one name into one bootstrap never', async () => {
    await using scene = new Scene(['c-1', 'c-2'], () => undefined);
    assert.deepEqual(await scene.try(trial('a', 'c-1'), trial('b', 'c-1', 'c-2')), ['a taken', 'b taken']);
    assert.deepEqual(scene.asked, ['c-1', 'c-1 c-2']);
  });

  test('forgets what waits of a config that was written again', async () => {
    await using scene = new Scene(['c-1', 'c-2', 'c-3'], () => undefined);
    scene.begin(trial('a', 'c-1'));
    scene.begin(trial('b', 'c-2'));
    assert.deepEqual(await scene.try(trial('b', 'c-3')), ['a taken', 'b taken']);
    assert.deepEqual(scene.asked, ['c-1', 'c-3']);
  });

  test('says where there is no outcome', async () => {
    const judge = () => {
      throw new Error('no Envoy');
    };
    await using scene = new Scene(['c-1'], judge);
    assert.deepEqual(await scene.try(trial('a', 'c-1')), ['a no Envoy']);
  });

  test('has no end of patience where much is refused', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `c-${index}-`);
    await using scene = new Scene(names, badIs(...names));
    const found = await scene.try(...names.map((name) => trial(name, name)));
    assert.equal(found.length, 100);
    assert.ok(scene.asked.length <= 64, `asked ${scene.asked.length} times`);
    assert.ok(found.some((each) => each.includes('too many others')));
  });

  test('takes what comes meanwhile together, after what it is about', async () => {
    await using scene = new Scene(['c-1', 'c-2', 'c-3'], () => undefined);
    scene.begin(trial('a', 'c-1'));
    scene.begin(trial('b', 'c-2'));
    await scene.try(trial('c', 'c-3'));
    assert.deepEqual(scene.concluded, [['a taken'], ['b taken', 'c taken']]);
  });

  test('tells nothing after its end', async () => {
    const scene = new Scene(['c-1'], () => undefined);
    scene.begin(trial('a', 'c-1'));
    await scene[Symbol.asyncDispose]();
    assert.deepEqual(scene.concluded, []);
  });
});
