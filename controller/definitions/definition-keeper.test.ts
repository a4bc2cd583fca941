import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ApiError, type ApiServerClient } from '../../kube/index.ts';
import { eventually } from '../../testkit/eventually.ts';
import { answerJson, answerStatus, ScriptedApiServer } from '../../testkit/scripted-api-server.ts';
import { CILIUM_DEFINITIONS, SCHEMA_VERSION_LABEL } from './cilium-definitions.ts';
import { DefinitionKeeper } from './definition-keeper.ts';

const PATH = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const NAMES = CILIUM_DEFINITIONS.map(({ metadata }) => metadata.name);
const KINDS = ['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy', 'CiliumEnvoyConfig', 'CiliumClusterwideEnvoyConfig'];
const [NAMESPACED = '', ...OTHERS] = NAMES;
const READY = { metadata: {}, status: { conditions: [{ type: 'Ready', status: 'True' }] } };
const NOT_READY = { metadata: {}, status: { conditions: [{ type: 'Ready', status: 'False' }] } };
const GOING = { ...READY, metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } };
const NEW = { metadata: {} };

interface Cluster {
  /** Of definitions that are there, by name. */
  readonly present: Map<string, object>;
  pods: readonly object[];
  /** What a POST is answered. */
  created: number;
}

function cluster(present: Readonly<Record<string, object>> = {}, pods: readonly object[] = []): Cluster {
  return { present: new Map(Object.entries(present)), pods, created: 201 };
}

async function withKeeper(
  { present, ...state }: Cluster,
  use: (keeper: DefinitionKeeper, server: ScriptedApiServer, told: { kinds: readonly string[]; created: string[] }) => Promise<void>,
): Promise<void> {
  await using server = await ScriptedApiServer.start(({ method, path, body }, response) => {
    if (path === '/api/v1/namespaces/own/pods') answerJson(response, 200, { items: state.pods });
    else if (method === 'POST' && state.created === 201) {
      const made = JSON.parse(body);
      present.set(made.metadata.name, made);
      answerJson(response, 201, made);
    } else if (method === 'POST') {
      answerJson(response, state.created, { kind: 'Status', reason: state.created === 409 ? 'AlreadyExists' : 'Forbidden', message: 'no' });
    } else {
      const found = present.get(path.slice(PATH.length + 1));
      if (found) answerJson(response, 200, found);
      else answerStatus(response, 404, 'not found');
    }
  });
  const client: ApiServerClient = server.client();
  const told = { kinds: [] as readonly string[], created: [] as string[] };
  const keeper = new DefinitionKeeper({
    client,
    namespace: 'own',
    intervalMs: 5,
    onCreated: (name) => told.created.push(name),
    onKinds: (kinds) => {
      told.kinds = [...kinds];
    },
    onError: () => {},
  });
  try {
    await use(keeper, server, told);
  } finally {
    await client.close();
  }
}

const writes = ({ requests }: ScriptedApiServer) =>
  requests.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${path}`);

/** As Cilium has some of them, without conditions, and as anybody might, without a status. */
const CONDITIONS = { properties: { status: { properties: { conditions: {} } } } };
const UNTOLD = [
  { schema: { openAPIV3Schema: { properties: {} } }, subresources: { status: {} } },
  { schema: { openAPIV3Schema: CONDITIONS }, subresources: {} },
  { schema: { openAPIV3Schema: CONDITIONS } },
].map((version) => ({
  metadata: { name: NAMESPACED, labels: { [SCHEMA_VERSION_LABEL]: '1.20.0' } },
  spec: { names: { kind: 'CiliumNetworkPolicy' }, versions: [{ name: 'v2', ...version }] },
}));

describe("the keeper of definitions of Cilium's kinds", () => {
  for (const [what, pods] of [
    ['there is no enforcer', []],
    ['none is ready', [NOT_READY, NEW]],
    ['the one that is ready goes away', [GOING]],
  ] as const) {
    test(`makes none while ${what}`, async () => {
      await withKeeper(cluster({}, pods), async (keeper, server) => {
        assert.equal(await keeper.tend(), false);
        assert.deepEqual(writes(server), []);
        const asked = server.requests.find(({ path }) => path.endsWith('/pods'));
        assert.equal(asked?.query.get('labelSelector'), 'app.kubernetes.io/name=sluice,app.kubernetes.io/component=enforcer');
      });
    });
  }

  test('makes those that are absent once an enforcer is ready, and then knows of their conditions', async () => {
    await withKeeper(cluster({}, [NOT_READY, READY]), async (keeper, server, told) => {
      assert.equal(await keeper.tend(), false);
      assert.deepEqual(
        writes(server),
        NAMES.map(() => `POST ${PATH}`),
      );
      assert.deepEqual(told, { kinds: [], created: NAMES });
      assert.equal(await keeper.tend(), true);
      assert.equal(writes(server).length, NAMES.length);
      assert.deepEqual(told.kinds, KINDS);
    });
  });

  for (const [index, theirs] of UNTOLD.entries()) {
    test(`leaves what is there as it is, ${index}`, async () => {
      await withKeeper(cluster({ [NAMESPACED]: theirs }, [READY]), async (keeper, server, told) => {
        await keeper.tend();
        assert.deepEqual(told.created, OTHERS);
        assert.deepEqual(
          server.requests.filter(({ method }) => method !== 'GET').map(({ body }) => JSON.parse(body).metadata.name),
          OTHERS,
        );
        assert.equal(await keeper.tend(), true);
        assert.deepEqual(told.kinds, KINDS.slice(1));
      });
    });
  }

  test('is content where somebody else was faster', async () => {
    const state = cluster({}, [READY]);
    state.created = 409;
    await withKeeper(state, async (keeper, _, told) => {
      assert.equal(await keeper.tend(), false);
      assert.deepEqual(told.created, []);
    });
  });

  test('tells what it may not do', async () => {
    const state = cluster({}, [READY]);
    state.created = 403;
    await withKeeper(state, async (keeper) => {
      await assert.rejects(keeper.tend(), (error) => error instanceof ApiError && error.code === 'forbidden');
    });
  });

  test('does not ask again soon for what it may not do', async () => {
    const state = cluster({}, [READY]);
    state.created = 403;
    await withKeeper(state, async (keeper, server) => {
      const stop = new AbortController();
      const running = keeper.run(stop.signal);
      await eventually(() => assert.equal(writes(server).length, 1));
      stop.abort();
      await running;
      assert.equal(writes(server).length, 1);
    });
  });

  test('looks again until it is told to stop', async () => {
    await withKeeper(cluster(), async (keeper, server) => {
      const stop = new AbortController();
      const running = keeper.run(stop.signal);
      await eventually(() => assert.ok(server.requests.length > 2 * (NAMES.length + 1)));
      stop.abort();
      await running;
    });
  });
});
