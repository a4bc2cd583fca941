import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { errorOfStatus, retryAfter } from './answer-error.ts';
import type { ApiClient } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { CredentialsError } from './credentials.ts';
import { ExecCredential } from './exec-credential.ts';
import { Reflector } from './reflector.ts';
import { WATCHED_RESOURCES } from './resources.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 1_000);
const PLUGIN_RUNS = 60;
const CLUSTER = { server: 'https://main:6443' };
const API_VERSION = 'client.authentication.k8s.io/v1';
/** What JSON may hold where a text is meant, with what breaks a careless conversion. */
const odd = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom({ toString: 1, valueOf: 1 }, { toString: null }, null, '', '7'));
const metadata = fc.record({ name: fc.oneof(odd, fc.constant('a')), namespace: odd, uid: odd, resourceVersion: odd }, { requiredKeys: [] });
const object = fc.oneof(odd, fc.record({ metadata: fc.oneof(odd, metadata), code: odd, message: odd, reason: odd }, { requiredKeys: [] }));
const list = fc.record(
  {
    kind: fc.oneof(odd, fc.constant('ServiceList')),
    metadata: fc.record({ resourceVersion: odd }),
    items: fc.oneof(odd, fc.array(object, { maxLength: 3 })),
  },
  { requiredKeys: ['metadata'] },
);
const event = fc.oneof(
  odd,
  fc.record({ type: fc.oneof(odd, fc.constantFrom('ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR')), object }, { requiredKeys: [] }),
);

/** Answers lists and watches with what it was given. */
function answering(page: unknown, events: readonly unknown[]): ApiClient {
  return {
    request: async () => page,
    stream: async function* () {
      yield* events;
    },
    close: async () => {},
  };
}

describe('whatever an API server answers', () => {
  test('a list and a watch end in an event, never in another error', async () => {
    const [resource] = WATCHED_RESOURCES;
    assert.ok(resource);
    const ends: Record<string, number> = {};
    await fc.assert(
      fc.asyncProperty(fc.oneof(list, odd), fc.array(event, { maxLength: 4 }), async (page, events) => {
        const stop = new AbortController();
        const sink = {
          put: ({ name, namespace, version }: { readonly name: string; readonly namespace: string; readonly version: string }) =>
            assert.deepEqual([typeof name, typeof namespace, typeof version], ['string', 'string', 'string']),
          remove: () => {},
          event: ({ type, error }: { readonly type: string; readonly error?: ApiError }) => {
            ends[type] = (ends[type] ?? 0) + 1;
            assert.equal(type === 'lost', error instanceof ApiError);
            if (type !== 'listed') stop.abort();
          },
        };
        await new Reflector(answering(page, events), resource, sink).run(stop.signal).catch((error: unknown) => {
          assert.ok(stop.signal.aborted && error === stop.signal.reason, String(error));
        });
        assert.ok(stop.signal.aborted);
      }),
      { numRuns: RUNS },
    );
    for (const type of ['listed', 'ended', 'lost']) assert.ok((ends[type] ?? 0) > RUNS / 100, JSON.stringify(ends));
  });

  test('a refusal is an error of bounded length, which quotes nothing of a Secret', () => {
    fc.assert(
      fc.property(fc.nat(999), fc.oneof(object, fc.record({ message: fc.string({ maxLength: 5_000 }) })), (status, decoded) => {
        const error = errorOfStatus(status, decoded, '/api/v1/pods');
        assert.ok(error.message.length < 1_100);
        const secret = errorOfStatus(status, { message: 's3cret', ...Object(decoded), reason: 'Why' }, '/api/v1/namespaces/a/secrets/b');
        assert.equal(secret.message, `/api/v1/namespaces/a/secrets/b: ${status} Why`);
      }),
      { numRuns: RUNS },
    );
  });

  test('Retry-After is none or up to a minute', () => {
    const value = fc.oneof(
      fc.string(),
      fc.integer().map(String),
      fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    );
    fc.assert(
      fc.property(value, (header) => {
        const delay = retryAfter({ 'retry-after': header }) ?? 0;
        assert.ok(delay >= 0 && delay <= 60_000, `${delay}`);
      }),
      { numRuns: RUNS },
    );
  });
});

describe('a credential plugin', () => {
  test('that answers anything gives a credential or a CredentialsError, which quotes nothing', async () => {
    using folder = new TemporaryFolder();
    const file = folder.join('answer');
    const field = fc.oneof(odd, fc.constant('s3cret'));
    const status = fc.record(
      { token: field, clientCertificateData: field, clientKeyData: field, expirationTimestamp: field },
      { requiredKeys: [] },
    );
    const answer = fc.oneof(
      fc.string().map((text) => `s3cret${text}`),
      fc
        .record({ apiVersion: fc.constantFrom(API_VERSION, 's3cret'), kind: fc.constant('ExecCredential'), status })
        .map((value) => JSON.stringify(value)),
    );
    await fc.assert(
      fc.asyncProperty(answer, async (text) => {
        writeFileSync(file, text);
        const plugin = new ExecCredential({ apiVersion: API_VERSION, command: '/bin/cat', args: [file] }, CLUSTER);
        const outcome = await plugin.get().catch((error: unknown) => error);
        if (!(outcome instanceof Error)) return;
        assert.ok(outcome instanceof CredentialsError && outcome.code === 'invalid', String(outcome));
        assert.doesNotMatch(outcome.message, /s3cret/);
      }),
      { numRuns: PLUGIN_RUNS },
    );
  });

  for (const [where, exec] of [
    ['its command', { command: '/bin/s3cret\0' }],
    ['an argument', { command: '/bin/true', args: ['s3cret\0'] }],
    ['its environment', { command: '/bin/true', env: [{ name: 'A', value: 's3cret\0' }] }],
  ] as const) {
    test(`with what no process can be given in ${where} is refused without a word of it`, async () => {
      const args = 'args' in exec ? [...exec.args] : [];
      const env = 'env' in exec ? [...exec.env] : [];
      const plugin = new ExecCredential({ apiVersion: API_VERSION, command: exec.command, args, env }, CLUSTER);
      await assert.rejects(plugin.get(), (error) => error instanceof CredentialsError && !/s3cret/.test(`${error.stack}${error.cause}`));
    });
  }
});
