import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { FileContent } from '../../kube/folder/file-content.ts';
import { DEFAULT_LIMITS } from '../../kube/folder/options.ts';
import { Turn } from '../../kube/folder/turn.ts';
import { CORPUS, neighbourManifests } from '../../kube/fuzz/corpus.ts';
import { MUTATION_CLASSES, type MutationClass, mutateManifests, SECRET_VALUE } from '../../kube/fuzz/index.ts';
import { type KubeObject, refOf } from '../../kube/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { SnapshotCache } from '../../xds-server/serve/cache.ts';
import { shardOf } from '../../xds-server/translate/route-tables.ts';
import { ENDPOINTS } from '../../xds-server/translate/types.ts';
import { Pipeline } from '../pipeline/pipeline.ts';
import { renderResources } from '../render.ts';

const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? 1);
const TOTAL = 20_000;
const RUNS = Math.ceil(TOTAL / MUTATION_CLASSES.length);
/** Of each class so many have to be read, at least in part, and change what is translated. Classes that seldom are get more runs. */
const MIN_REACHED = 500;
const MAX_RUNS = 12 * RUNS;
/** No input takes a tenth of it; one that hangs takes for ever. */
const MAX_MS = 10_000;
/** Rendering costs more than all the rest, so only every so many are. */
const RENDER_EVERY = 10;
const SECRETS = [SECRET_VALUE, Buffer.from(SECRET_VALUE).toString('base64')];
const NEIGHBOURS = ['before', 'after', 'beside'];

type Objects = ReadonlyMap<string, KubeObject>;

async function read(bytes: Uint8Array, before?: FileContent): Promise<FileContent> {
  return await FileContent.parse('m.yaml', Buffer.from(bytes).toString(), !isUtf8(bytes), before, DEFAULT_LIMITS, new Turn());
}

function objectsOf({ firstClaims }: FileContent): Objects {
  return new Map([...firstClaims].flatMap(([key, { claim }]) => (claim.object ? [[key, claim.object] as const] : [])));
}

const RIGHT = await read(Buffer.from([...NEIGHBOURS.flatMap((name) => neighbourManifests(name)), ...CORPUS].join('\n---\n')));
const BASE = objectsOf(RIGHT);

/** A pipeline and a cache that go from one folder to the next, as those of a running Sluice do. */
class Subject {
  readonly pipeline = new Pipeline({ settings: DEFAULT_SETTINGS, ports: PORTS, asOf: new Date() });
  readonly cache = new SnapshotCache();
  #objects: Objects = new Map();

  take(objects: Objects): void {
    const upserts = [...objects].filter(([key, object]) => this.#objects.get(key) !== object).map(([, object]) => object);
    const removals = [...this.#objects].filter(([key]) => !objects.has(key)).map(([, object]) => refOf(object));
    this.#objects = objects;
    this.cache.apply(this.pipeline.apply({ upserts, removals }));
  }

  /** All that is served of the neighbours: their virtual hosts, clusters and endpoints. */
  neighbours(): unknown {
    return NEIGHBOURS.map((name) => ({
      hosts: this.pipeline.routeShard('listener-insecure')?.hosts.find(({ host }) => host === `${name}.example.org`),
      inShard: this.pipeline
        .routeShard(shardOf('listener-insecure', `${name}.example.org`))
        ?.hosts.find(({ host }) => host === `${name}.example.org`),
      cluster: this.pipeline.model.clusters.get(`${name}:${name}:80`),
      endpoints: this.cache.get({ typeUrl: ENDPOINTS, name: `${name}/${name}:80` }),
    }));
  }
}

function assertNoSecret(text: string, where: string): void {
  for (const secret of SECRETS) assert.ok(!text.includes(secret), `${where} gives a secret away`);
}

const UNTOUCHED = (() => {
  const subject = new Subject();
  subject.take(BASE);
  return subject.neighbours();
})();

describe(`${TOTAL} mutated folders from file to resource, from seed ${SEED} (SLUICE_FUZZ_SEED)`, () => {
  for (const mutation of MUTATION_CLASSES) {
    test(`${RUNS} or more × ${mutation}`, { timeout: 120_000 }, async (context) => {
      const subject = new Subject();
      let reached = 0;
      let runs = 0;
      for (; runs < RUNS || (reached < MIN_REACHED && runs < MAX_RUNS); runs += 1) {
        const seed = SEED + runs;
        const where = `${mutation}, seed ${seed}`;
        const startedAt = performance.now();
        const { objects, changed, findings } = await mutate(mutation, seed);
        subject.take(objects);
        if (changed) reached += 1;
        assert.deepEqual(subject.neighbours(), UNTOUCHED, where);
        assertNoSecret(findings + JSON.stringify(subject.pipeline.diagnostics()), where);
        if (seed % RENDER_EVERY === 0) assertNoSecret(JSON.stringify(renderResources(subject.pipeline.resources())), where);
        assert.ok(performance.now() - startedAt < MAX_MS, `${where} hangs`);
      }
      context.diagnostic(`${reached} of ${runs} × ${mutation} brought changed objects to the pipeline`);
      assert.ok(reached >= MIN_REACHED, `only ${reached} of ${runs} reached the pipeline`);
    });
  }

  test('what is left when all that is wrong is gone is what was there without it', () => {
    const subject = new Subject();
    subject.take(BASE);
    const resources = subject.pipeline.resources().map(({ typeUrl, name, version }) => `${typeUrl} ${name} ${version}`);
    subject.take(new Map());
    subject.take(BASE);
    assert.deepEqual(
      subject.pipeline.resources().map(({ typeUrl, name, version }) => `${typeUrl} ${name} ${version}`),
      resources,
    );
  });
});

interface Mutated {
  readonly objects: Objects;
  /** Whether there is an object that the right folder does not have, or has otherwise. */
  readonly changed: boolean;
  readonly findings: string;
}

async function mutate(mutation: MutationClass, seed: number): Promise<Mutated> {
  const objects = new Map<string, KubeObject>();
  const findings: unknown[] = [];
  for (const { content, size } of mutateManifests(mutation, seed).files.values()) {
    if (size > DEFAULT_LIMITS.fileBytes) {
      // Such a file is not read at all; what stood in it stays.
      for (const [key, object] of BASE) if (!objects.has(key)) objects.set(key, object);
      continue;
    }
    const file = await read(content, RIGHT);
    findings.push(file.documents.map(({ parsed }) => parsed.findings));
    for (const [key, object] of objectsOf(file)) if (!objects.has(key)) objects.set(key, object);
  }
  const changed = [...objects].some(([key, object]) => BASE.get(key) !== object && !isDeepStrictEqual(BASE.get(key), object));
  return { objects, changed, findings: JSON.stringify(findings) };
}
