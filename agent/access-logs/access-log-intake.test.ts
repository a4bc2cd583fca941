import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import { StreamAccessLogsMessageSchema } from '@sluice/envoy-protos/envoy/service/accesslog/v3/als_pb.js';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { RpcServer } from '../../xds-server/serve/index.ts';
import { ACCESS_LOG_METHODS, AccessLogIntake } from './access-log-intake.ts';

const PATH = ACCESS_LOG_METHODS[0]?.path ?? '';

/** Named as a stream's first message is. */
const named = (logName: string) =>
  toBinary(StreamAccessLogsMessageSchema, create(StreamAccessLogsMessageSchema, { identifier: { logName } }));
const NAMELESS = toBinary(
  StreamAccessLogsMessageSchema,
  create(StreamAccessLogsMessageSchema, { logEntries: { case: 'httpLogs', value: {} } }),
);
const UNREADABLE = Uint8Array.of(0xff);

/** What is heard of messages of one stream by two hearers, of which the first fails over some logs. */
async function heardOf(messages: readonly Uint8Array[]): Promise<{ heard: string[]; missed: number[]; failures: string[] }> {
  await using cleanUp = new AsyncDisposableStack();
  const path = cleanUp.use(new TemporaryFolder()).join('agent.sock');
  const failures: string[] = [];
  const intake = new AccessLogIntake(({ message }) => failures.push(message));
  const heard: string[] = [];
  const missed = [0, 0];
  for (const index of [0, 1]) {
    intake.add({
      hear: (log) => {
        if (index === 0 && log === 'odd') throw new TypeError('an odd log');
        heard.push(`${index} ${log}`);
      },
      miss: () => {
        missed[index] = (missed[index] ?? 0) + 1;
      },
    });
  }
  intake.add({ hear: (log) => heard.push(`${log} last`) });
  const rpc = new RpcServer();
  cleanUp.defer(() => rpc.close(0));
  rpc.add(ACCESS_LOG_METHODS, intake);
  await rpc.listen({ path });
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  cleanUp.defer(() => client.close());
  const call = client.makeBidiStreamRequest<Uint8Array, Uint8Array>(
    PATH,
    (bytes) => Buffer.from(bytes),
    (bytes) => bytes,
  );
  call.on('error', () => {});
  for (const message of [...messages, named('end')]) call.write(message);
  await eventually(() => assert.equal(heard.at(-1), 'end last'));
  call.cancel();
  return { heard: heard.filter((each) => !each.includes('end')), missed, failures };
}

describe('what Envoy logs', () => {
  test('is heard by all, by the name that the stream began with', async () => {
    const { heard, missed, failures } = await heardOf([named('a'), NAMELESS]);
    assert.deepEqual(heard, ['0 a', '1 a', 'a last', '0 a', '1 a', 'a last']);
    assert.deepEqual([missed, failures], [[0, 0], []]);
  });

  test('is heard by the others where one fails over it, and what comes then is by all', async () => {
    const { heard, missed, failures } = await heardOf([named('odd'), named('a')]);
    assert.deepEqual(heard, ['1 odd', 'odd last', '0 a', '1 a', 'a last']);
    assert.deepEqual([missed, failures], [[1, 0], ['an odd log']]);
  });

  test('and nobody can read is missed by all, once told of, and the stream goes on', async () => {
    const { heard, missed, failures } = await heardOf([named('a'), UNREADABLE, UNREADABLE, NAMELESS]);
    assert.deepEqual(heard, ['0 a', '1 a', 'a last', '0 a', '1 a', 'a last']);
    assert.deepEqual([missed, failures], [[2, 2], ['what Envoy tells of its requests cannot be read']]);
  });
});
