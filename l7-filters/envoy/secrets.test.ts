import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { fromBinary, toJsonString } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { SecretSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { redactSensitive } from '../../controller/redact.ts';
import { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { echoOf, requestHttp1 } from '../../testkit/http-request.ts';
import { freePort } from '../../testkit/ports.ts';
import { type Resource, SECRET_TYPE } from '../../xds-server/serve/index.ts';
import { type TranslatedSlot, translateSlot } from './index.ts';
import { SLOT_OPTIONS, SlotScene } from './testing/slot-scene.ts';
import { httpSlot } from './testing/slots.ts';

const VALUE = 'correct-horse-battery-staple';
const FORMS = [VALUE, Buffer.from(VALUE).toString('hex'), Buffer.from(VALUE).toString('base64').replaceAll('=', ''), hash('sha256', VALUE)];
const TOKEN = { kind: 'secret', namespace: 'default', name: 'token', key: '' } as const;
const SLOT = httpSlot('secret', [
  { path: '/required', headers: [{ name: 'x-token', value: TOKEN, mismatch: 'deny' }] },
  { path: '/added', headers: [{ name: 'x-token', value: TOKEN, mismatch: 'add' }] },
]);
const ADMIN_PATHS = [
  '/config_dump?include_eds',
  '/stats?format=json',
  '/clusters',
  '/listeners',
  '/server_info',
  '/runtime',
  '/init_dump',
  '/certs',
];

function optionsWith(value: string | undefined) {
  return { ...SLOT_OPTIONS, secretValue: () => (value === undefined ? undefined : Buffer.from(value)) };
}

function secretsIn({ filters }: TranslatedSlot): readonly Resource[] {
  return filters.filter(({ typeUrl }) => typeUrl === SECRET_TYPE);
}

function assertHidden(shown: string, where: string): void {
  for (const form of FORMS) assert.ok(!shown.includes(form), `${where} shows ${form}`);
}

test('a value stands in nothing that is translated but its own resource, and redaction finds it there', () => {
  const { listener, filters: all } = translateSlot(SLOT, optionsWith(VALUE));
  const filters = all.filter(({ typeUrl }) => typeUrl !== SECRET_TYPE);
  const secrets = secretsIn(translateSlot(SLOT, optionsWith(VALUE)));
  assertHidden(Buffer.from(listener).toString('latin1'), 'the listener');
  for (const filter of filters) assertHidden(Buffer.from(filter.body).toString('latin1') + inspect({ ...filter, body: '' }), 'the filter');
  const [secret] = secrets;
  assert.ok(secret !== undefined && secrets.length === 1);
  assertHidden(inspect({ ...secret, body: '' }), 'the version');
  const message = fromBinary(SecretSchema, secret.body);
  redactSensitive(reflect(SecretSchema, message), envoyRegistry());
  assertHidden(toJsonString(SecretSchema, message), 'what is rendered');
  assert.match(toJsonString(SecretSchema, message), /\[redacted\]/);
});

test('equal values have equal versions, others have others', () => {
  const version = (value: string) => secretsIn(translateSlot(SLOT, optionsWith(value))).map((secret) => secret.version);
  assert.deepEqual(version('a'), version('a'));
  assert.notDeepEqual(version('a'), version('b'));
  const rules = (value: string) => translateSlot(SLOT, optionsWith(value)).filters.filter(({ typeUrl }) => typeUrl !== SECRET_TYPE);
  assert.deepEqual(rules('a'), rules('b'));
});

for (const value of [undefined, '', '\n', 'a\nb', 'a\0b']) {
  test(`a value that no header can have is as none: ${JSON.stringify(value)}`, () => {
    const none = translateSlot(httpSlot('secret', []), SLOT_OPTIONS);
    assert.deepEqual(secretsIn(translateSlot(SLOT, optionsWith(value))), secretsIn(none));
  });
}

describe('values of Secrets in Envoy', needs('envoy'), () => {
  let backend: Backend;
  let scene: SlotScene;
  let port = 0;
  const serve = (value: string | undefined) => scene.serve({ slot: SLOT, port, backendPort: backend.port, options: optionsWith(value) });
  const ask = (path: string, token?: string) =>
    requestHttp1({ port, host: 'web.test', path, ...(token !== undefined && { headers: { 'x-token': token } }) });

  before(async () => {
    backend = await Backend.start({ name: 'pod' });
    port = await freePort();
    scene = await SlotScene.start([{ slot: SLOT, port, backendPort: backend.port, options: optionsWith(undefined) }]);
    await eventually(() => ask('/'));
  });
  after(async () => {
    await scene?.[Symbol.asyncDispose]();
    await backend?.[Symbol.asyncDispose]();
  });

  test('are in force as they come, change and go', async () => {
    assert.equal((await ask('/required', VALUE)).status, 403);
    serve(VALUE);
    await eventually(async () => assert.equal((await ask('/required', VALUE)).status, 200));
    assert.equal(echoOf(await ask('/added')).headers['x-token'], VALUE);
    assert.equal((await ask('/required', 'other')).status, 403);
    serve('other');
    await eventually(async () => assert.equal((await ask('/required', 'other')).status, 200));
    assert.equal((await ask('/required', VALUE)).status, 403);
    serve(undefined);
    await eventually(async () => assert.equal((await ask('/added')).status, 403));
    assert.equal((await ask('/required', 'other')).status, 403);
    assert.deepEqual(scene.refusals, []);
  });

  test('are shown nowhere', async () => {
    serve(VALUE);
    await eventually(async () => assert.equal((await ask('/required', VALUE)).status, 200));
    await ask('/added');
    await ask('/elsewhere', VALUE);
    for (const path of ADMIN_PATHS) {
      const shown = await askAdmin(scene.adminSocket, path);
      assert.ok(shown.length > 0, path);
      assertHidden(shown, path);
    }
    assert.match(await askAdmin(scene.adminSocket, '/config_dump'), /sluice\.slot\/http\/ingress\/secret/);
    assertHidden(readFileSync(scene.logFile, 'latin1'), 'the log');
  });
});

async function askAdmin(socketPath: string, path: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  request({ socketPath, path }, (response) => resolve(text(response)))
    .on('error', reject)
    .end();
  return await promise;
}
