import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, test } from 'node:test';
import { answerJson, answerStatus, type Script, ScriptedApiServer } from '../../testkit/scripted-api-server.ts';
import { ApiError, type ApiErrorCode } from './api-error.ts';
import { ApiServerClient } from './api-server-client.ts';
import { type Access, CredentialsError } from './credentials.ts';

const PATH = '/api/v1/namespaces/default/services/a';

/** What a request of an `Access` ends with: its answer, or its error. */
async function outcomeOf(
  script: Script,
  change: (access: Access) => Partial<Access> = () => ({}),
  { path = PATH, answerWithinMs = 10_000 } = {},
): Promise<unknown> {
  await using server = await ScriptedApiServer.start(script);
  const { url, authority, serverName } = server.https;
  const access: Access = {
    cluster: () => ({ server: url, authority, serverName }),
    credential: async () => ({}),
    refresh: () => {},
    headers: {},
  };
  const client = new ApiServerClient({ ...access, ...change(access) }, { answerWithinMs });
  try {
    return await client.request({ path }).catch((error: unknown) => error);
  } finally {
    await client.close();
  }
}

describe('a client of an API server', () => {
  const answers: readonly (readonly [number, string, Record<string, string>, ApiErrorCode])[] = [
    [400, 'BadRequest', {}, 'invalid'],
    [401, 'Unauthorized', {}, 'unauthorized'],
    [403, 'Forbidden', {}, 'forbidden'],
    [404, 'NotFound', {}, 'not-found'],
    [409, 'AlreadyExists', {}, 'already-exists'],
    [409, 'Conflict', {}, 'conflict'],
    [410, 'Expired', {}, 'gone'],
    [422, 'Invalid', {}, 'invalid'],
    [429, 'TooManyRequests', { 'retry-after': '3' }, 'too-many-requests'],
    [500, 'InternalError', {}, 'server-error'],
    [503, 'ServiceUnavailable', {}, 'server-error'],
    [503, 'ServiceUnavailable', { 'retry-after': '3' }, 'too-many-requests'],
    [504, 'Timeout', {}, 'server-error'],
  ];
  for (const [status, reason, headers, code] of answers) {
    test(`${status} ${reason}${headers['retry-after'] ? ' with Retry-After' : ''} is ${code}`, async () => {
      const error = await outcomeOf((_, response) => answerJson(response, status, { reason, message: 'why' }, headers));
      assert.ok(error instanceof ApiError);
      assert.deepEqual([error.code, error.status, error.retryAfterMs], [code, status, headers['retry-after'] ? 3_000 : undefined]);
      assert.equal(error.message, `${PATH}: ${status} why`);
    });
  }

  test('a server that asks to be left alone for years is asked again after a minute', async () => {
    const error = await outcomeOf((_, response) => answerStatus(response, 429, 'later', { 'retry-after': '999999999' }));
    assert.ok(error instanceof ApiError && error.retryAfterMs === 60_000);
  });

  test('a refusal that is about a Secret is not quoted', async () => {
    const refuse: Script = (_, response) => answerJson(response, 422, { reason: 'Invalid', message: 'data: s3cret' });
    const error = await outcomeOf(refuse, undefined, { path: '/api/v1/namespaces/default/secrets/a' });
    assert.ok(error instanceof ApiError);
    assert.equal(error.message, '/api/v1/namespaces/default/secrets/a: 422 Invalid');
  });

  test('a token that is refused is read again, once', async () => {
    const tokens = ['old', 'new'];
    const seen: unknown[] = [];
    const script: Script = ({ headers }, response) => {
      seen.push(headers.authorization);
      if (headers.authorization === 'Bearer new') answerJson(response, 200, { kind: 'Service' });
      else answerStatus(response, 401, 'Unauthorized');
    };
    const access = () => ({ credential: async () => ({ token: tokens[0] ?? 'none' }), refresh: () => void tokens.shift() });
    assert.deepEqual(await outcomeOf(script, access), { kind: 'Service' });
    assert.deepEqual(seen, ['Bearer old', 'Bearer new']);
  });

  test('impersonation and a password are sent', async () => {
    const echo: Script = ({ headers }, response) => answerJson(response, 200, headers);
    const basic = { username: 'u', password: 'p' };
    const access = () => ({
      credential: async () => ({ basic }),
      headers: { 'impersonate-user': 'jane', 'impersonate-group': ['a', 'b'] },
    });
    const answer = Object(await outcomeOf(echo, access));
    assert.deepEqual(
      [answer['authorization'], answer['impersonate-user'], answer['impersonate-group']],
      [`Basic ${btoa('u:p')}`, 'jane', 'a, b'],
    );
  });

  for (const [what, script, change, code] of [
    ['that ends in the middle', halfAnAnswer, undefined, 'unreachable'],
    ['that stops', stopsHalfWay, undefined, 'unreachable'],
    ['that never comes', () => {}, undefined, 'unreachable'],
    ['that is no JSON', (_: unknown, response: ServerResponse) => response.end('s3cret'), undefined, 'server-error'],
    [
      'of somebody else',
      halfAnAnswer,
      ({ cluster }: Access) => ({ cluster: () => ({ ...cluster(), serverName: 'other' }) }),
      'unreachable',
    ],
    ['with an authority that is none', halfAnAnswer, ({ cluster }: Access) => withAuthority(cluster, 's3cret'), 'unreachable'],
    ['with a token that is no header', halfAnAnswer, () => ({ credential: async () => ({ token: 's3cret\n\u0001' }) }), 'unreachable'],
    ['without credentials', halfAnAnswer, () => ({ credential: () => Promise.reject(missing()) }), 'unauthorized'],
    ['without an authority', halfAnAnswer, () => ({ cluster: () => assert.fail(missing()) }), 'unauthorized'],
  ] as const) {
    test(`an answer ${what} is an ApiError without a secret in it`, async () => {
      const error = await outcomeOf(script, change, code === 'unreachable' ? { answerWithinMs: 300 } : {});
      assert.ok(error instanceof ApiError, String(error));
      assert.equal(error.code, code);
      assert.doesNotMatch(error.message, /s3cret/);
    });
  }

  test('an abort ends a request with its reason', async () => {
    await using server = await ScriptedApiServer.start(() => {});
    const client = server.client();
    const abort = new AbortController();
    const request = client.request({ path: PATH, signal: abort.signal });
    abort.abort('enough');
    assert.equal(await request.catch((error: unknown) => error), 'enough');
    await client.close();
  });

  test('it says who it is', async () => {
    await using server = await ScriptedApiServer.start((_, response) => answerJson(response, 200, {}));
    for (const options of [{}, { userAgent: 'sluice-agent/1.2.3 (node-1)' }]) {
      const client = server.client(options);
      await client.request({ path: PATH });
      await client.close();
    }
    assert.deepEqual(
      server.requests.map(({ headers }) => headers['user-agent']),
      ['sluice', 'sluice-agent/1.2.3 (node-1)'],
    );
  });

  test('connections are reused', async () => {
    const ports = new Set<unknown>();
    await using server = await ScriptedApiServer.start((_, response) => {
      ports.add(response.socket?.remotePort);
      answerJson(response, 200, {});
    });
    const client = server.client();
    for (let index = 0; index < 5; index++) await client.request({ path: PATH });
    assert.equal(ports.size, 1);
    await client.close();
  });
});

const missing = () => new CredentialsError('unreadable', '/token cannot be read');

const withAuthority = (cluster: Access['cluster'], authority: string) => ({ cluster: () => ({ ...cluster(), authority }) });

function halfAnAnswer(_: unknown, response: ServerResponse): void {
  response.writeHead(200, { 'content-length': '100' }).write('{');
  setTimeout(() => response.destroy(), 20);
}

function stopsHalfWay(_: unknown, response: ServerResponse): void {
  response.writeHead(200, { 'content-length': '100' }).write('{');
}
