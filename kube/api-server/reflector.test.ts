import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, test } from 'node:test';
import { eventually } from '../../testkit/eventually.ts';
import { answerJson, answerStatus, type Script, ScriptedApiServer } from '../../testkit/scripted-api-server.ts';
import type { ApiClientOptions } from './api-server-client.ts';
import { Reflector, type ReflectorEvent } from './reflector.ts';

const SERVICES = { kind: 'Service', apiVersion: 'v1', plural: 'services' } as const;

const object = (name: string, resourceVersion: number) => ({
  metadata: { name, namespace: 'default', uid: `uid-${name}`, resourceVersion: String(resourceVersion) },
});
const list = (resourceVersion: number, items: readonly object[], next = '') => ({
  kind: 'ServiceList',
  metadata: { resourceVersion: String(resourceVersion), continue: next },
  items,
});
const bookmark = (resourceVersion: number) => ({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(resourceVersion) } } });
const write = (response: ServerResponse, ...events: readonly object[]) =>
  response.write(events.map((event) => `${JSON.stringify(event)}\n`).join(''));

/** Answers lists, watches and checks of the server's version one after the other, and the last of each for ever. */
function inTurn(turns: {
  readonly lists: readonly Script[];
  readonly watches: readonly Script[];
  readonly checks?: readonly Script[];
}): Script {
  const counts = { lists: 0, watches: 0, checks: 0 };
  return (request, response) => {
    const turn = request.query.has('watch') ? 'watches' : request.query.has('resourceVersionMatch') ? 'checks' : 'lists';
    const scripts = turns[turn] ?? [(_, answer) => answerJson(answer, 200, list(1, []))];
    scripts[Math.min(counts[turn], scripts.length - 1)]?.(request, response);
    counts[turn] += 1;
  };
}

const stay: Script = (_, response) => response.flushHeaders();
const gives =
  (body: object): Script =>
  (_, response) =>
    answerJson(response, 200, body);

interface Run extends AsyncDisposable {
  readonly server: ScriptedApiServer;
  /** Name and version. */
  readonly objects: ReadonlyMap<string, string>;
  readonly events: readonly ReflectorEvent[];
  /** Removals, in order. */
  readonly removed: readonly string[];
  /** What was asked: `list`, `check N`, `watch N`. */
  asked(): readonly string[];
}

async function run(script: Script, options: ApiClientOptions & { readonly relistAfterMs?: number } = {}): Promise<Run> {
  const server = await ScriptedApiServer.start(script);
  const client = server.client(options);
  const objects = new Map<string, string>();
  const events: ReflectorEvent[] = [];
  const removed: string[] = [];
  const sink = {
    put: ({ name, version }: { readonly name: string; readonly version: string }) => objects.set(name, version),
    remove: (_: string, name: string) => {
      removed.push(name);
      objects.delete(name);
    },
    event: (event: ReflectorEvent) => events.push(event),
  };
  const abort = new AbortController();
  const end = new Reflector(client, SERVICES, sink, options.relistAfterMs).run(abort.signal);
  const asked = () =>
    server.requests.map(({ query }) => {
      if (query.has('watch')) return `watch ${query.get('resourceVersion')}`;
      return query.has('resourceVersionMatch') ? `check ${query.get('resourceVersion')}` : 'list';
    });
  const dispose = async () => {
    abort.abort();
    await end;
    await client.close();
    await server[Symbol.asyncDispose]();
  };
  return { server, objects, events, removed, asked, [Symbol.asyncDispose]: dispose };
}

describe('a reflector', () => {
  test('lists page by page, then watches from there', async () => {
    const pages = [list(7, [object('a', 1)], 'p2'), list(7, [object('b', 2)], 'p3'), list(7, [object('c', 3)])];
    await using reflector = await run(inTurn({ lists: pages.map(gives), watches: [stay] }));
    await eventually(() => assert.deepEqual(reflector.asked(), ['list', 'list', 'list', 'watch 7']));
    assert.deepEqual([...reflector.objects.keys()], ['a', 'b', 'c']);
    assert.deepEqual(
      reflector.server.requests.slice(0, 3).map(({ query }) => query.get('continue')),
      [null, 'p2', 'p3'],
    );
  });

  test('begins a list anew whose next page has expired, and tells removals only when one is complete', async () => {
    const lists = [
      gives(list(5, [object('a', 1), object('b', 2)])),
      gives(list(9, [object('a', 1)], 'p2')),
      (_: unknown, response: ServerResponse) => answerStatus(response, 410, 'expired'),
      gives(list(10, [object('b', 8)], 'p2')),
      gives(list(10, [object('c', 9)])),
    ];
    const expired = { type: 'ERROR', object: { code: 410, reason: 'Expired', message: 'too old' } };
    const watches: Script[] = [(_, response) => response.end(`${JSON.stringify(expired)}\n`), stay];
    await using reflector = await run(inTurn({ lists, watches }));
    await eventually(() => assert.deepEqual(reflector.asked(), ['list', 'watch 5', 'list', 'list', 'list', 'list', 'watch 10']));
    assert.deepEqual(reflector.removed, ['a']);
    assert.deepEqual(Object.fromEntries(reflector.objects), { b: 'uid-b 8', c: 'uid-c 9' });
    assert.deepEqual(
      reflector.events.filter(({ type }) => type === 'lost').map(({ error }) => error?.code),
      ['gone', 'gone'],
    );
  });

  test('waits as long as it is asked to', async () => {
    const refusal: Script = (_, response) => answerStatus(response, 429, 'later', { 'retry-after': '1' });
    const began = performance.now();
    await using reflector = await run(inTurn({ lists: [refusal, gives(list(5, []))], watches: [stay] }));
    await eventually(() => assert.deepEqual(reflector.asked(), ['list', 'list', 'watch 5']));
    assert.ok(performance.now() - began >= 990);
  });

  test('resumes where a connection that was reset had come to, with what came since', async () => {
    const first: Script = (_, response) => {
      write(response, { type: 'ADDED', object: object('a', 6) }, bookmark(8));
      response.write('{"type":"ADDED","obj');
      setTimeout(() => response.destroy(), 50);
    };
    const second: Script = (_, response) => write(response, { type: 'DELETED', object: object('a', 9) });
    await using reflector = await run(inTurn({ lists: [gives(list(5, []))], watches: [first, second] }));
    await eventually(() => assert.deepEqual(reflector.removed, ['a']));
    assert.deepEqual(reflector.asked(), ['list', 'watch 5', 'check 8', 'watch 8']);
  });

  test('takes a silent stream for dead, and resumes', async () => {
    const watches: Script[] = [(_, response) => write(response, bookmark(8)), stay];
    await using reflector = await run(inTurn({ lists: [gives(list(5, []))], watches }), { streamSilenceMs: 100 });
    await eventually(() => assert.deepEqual(reflector.asked().slice(0, 4), ['list', 'watch 5', 'check 8', 'watch 8']));
  });

  test('lists again where the server has not reached the version to resume from', async () => {
    const behind: Script = (_, response) => answerStatus(response, 504, 'Too large resource version: 8, current: 3');
    const watches: Script[] = [(_, response) => response.end(`${JSON.stringify(bookmark(8))}\n`), stay];
    const lists = [gives(list(5, [object('a', 4)])), gives(list(3, [object('b', 2)]))];
    await using reflector = await run(inTurn({ lists, watches, checks: [behind] }));
    await eventually(() => assert.deepEqual(reflector.asked(), ['list', 'watch 5', 'check 8', 'list', 'watch 3']));
    assert.deepEqual(Object.fromEntries(reflector.objects), { b: 'uid-b 2' });
  });

  test('takes events twice as once, and lists again where they come out of their order', async () => {
    const added = { type: 'ADDED', object: object('a', 7) };
    const stale = { type: 'MODIFIED', object: object('a', 6) };
    const watches: Script[] = [(_, response) => write(response, added, added, { type: 'DELETED', object: object('a', 8) }, stale), stay];
    const lists = [gives(list(5, [])), gives(list(9, [object('b', 9)]))];
    await using reflector = await run(inTurn({ lists, watches }));
    await eventually(() => assert.deepEqual(reflector.asked(), ['list', 'watch 5', 'list', 'watch 9']));
    assert.deepEqual([reflector.removed, [...reflector.objects.keys()]], [['a'], ['b']]);
  });

  test('lists everything again after a time, though nothing failed', async () => {
    const watches: Script[] = [(_, response) => response.end(`${JSON.stringify(bookmark(8))}\n`), stay];
    const lists = [gives(list(5, [])), gives(list(9, [object('lost', 2)]))];
    await using reflector = await run(inTurn({ lists, watches }), { relistAfterMs: 0 });
    await eventually(() => assert.deepEqual(reflector.asked(), ['list', 'watch 5', 'list', 'watch 9']));
    assert.deepEqual([...reflector.objects.keys()], ['lost']);
  });

  for (const [what, answer] of [
    ['no list', gives({ kind: 'Status' })],
    ['no JSON', (_: unknown, response: ServerResponse) => response.end('<html>')],
    ['items without names', gives(list(9, [{}]))],
    ['403', (_: unknown, response: ServerResponse) => answerStatus(response, 403, 'no')],
  ] as const) {
    test(`an answer with ${what} takes nothing away`, async () => {
      const gone = { type: 'ERROR', object: { code: 410 } };
      const watches: Script[] = [(_, response) => response.end(`${JSON.stringify(gone)}\n`), stay];
      const lists = [gives(list(5, [object('a', 4)])), answer, gives(list(9, [object('a', 4)]))];
      await using reflector = await run(inTurn({ lists, watches }));
      await eventually(() => assert.deepEqual(reflector.asked(), ['list', 'watch 5', 'list', 'list', 'watch 9']));
      assert.deepEqual([reflector.removed, [...reflector.objects.keys()]], [[], ['a']]);
    });
  }
});
