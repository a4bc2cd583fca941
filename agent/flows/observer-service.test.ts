import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientReadableStream, credentials, status } from '@grpc/grpc-js';
import {
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
} from '@sluice/envoy-protos/hubble/health_pb.js';
import {
  GetFlowsRequestSchema,
  type GetFlowsResponse,
  GetFlowsResponseSchema,
  ServerStatusRequestSchema,
  ServerStatusResponseSchema,
} from '@sluice/envoy-protos/hubble/observer_pb.js';
import { FlowLosses, FlowRing, Observer } from '../../flows/index.ts';
import { exampleFlow } from '../../flows/testing/example-flow.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { RpcServer } from '../../xds-server/serve/index.ts';
import { OBSERVER_METHODS, ObserverService } from './observer-service.ts';

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes);

describe('flows by gRPC', () => {
  const cleanUp = new AsyncDisposableStack();
  const ring = new FlowRing(1_000);
  let client: Client;
  before(async () => {
    const folder = cleanUp.use(new TemporaryFolder());
    const rpc = new RpcServer();
    rpc.add(OBSERVER_METHODS, new ObserverService(new Observer({ ring, losses: new FlowLosses(), node: 'n1', version: '1' })));
    const path = folder.join('flows.sock');
    await rpc.listen({ path });
    cleanUp.defer(() => rpc.close());
    client = new Client(`unix:${path}`, credentials.createInsecure());
    cleanUp.defer(() => client.close());
    for (let time = 0n; time < 3n; time++) ring.add(exampleFlow({ time }));
  });
  after(() => cleanUp.disposeAsync());

  function flows(request: MessageInitShape<typeof GetFlowsRequestSchema>): ClientReadableStream<GetFlowsResponse> {
    const bytes = toBinary(GetFlowsRequestSchema, create(GetFlowsRequestSchema, request));
    const read = (each: Buffer) => fromBinary(GetFlowsResponseSchema, each);
    return client.makeServerStreamRequest('/observer.Observer/GetFlows', asBuffer, read, bytes);
  }

  function ask<Q extends DescMessage, A extends DescMessage>(path: string, requests: Q, answers: A): Promise<MessageShape<A>> {
    const bytes = toBinary(requests, create(requests));
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        asBuffer,
        (each: Buffer) => fromBinary(answers, each),
        bytes,
        (error, answer) => (answer ? resolve(answer) : reject(error)),
      );
    });
  }

  async function timesOf(stream: ClientReadableStream<GetFlowsResponse>, most = Number.POSITIVE_INFINITY): Promise<(bigint | undefined)[]> {
    const times: (bigint | undefined)[] = [];
    for await (const response of stream) {
      times.push(BigInt(response.time?.nanos ?? -1));
      if (times.length === most) break;
    }
    return times;
  }

  test('those that are remembered', async () => assert.deepEqual(await timesOf(flows({ number: 2n })), [1n, 2n]));

  test('those that are to come, to several', async () => {
    const [one, other] = [flows({ number: 1n, follow: true }), flows({ number: 1n, follow: true })];
    const told = Promise.all([timesOf(one, 2), timesOf(other, 2)]);
    // Both have begun once each has the last that was.
    await Promise.all([one, other].map((stream) => new Promise((resolve) => stream.once('data', resolve))));
    ring.add(exampleFlow({ time: 7n }));
    assert.deepEqual(await told, [
      [2n, 7n],
      [2n, 7n],
    ]);
  });

  test('a filter that cannot be is the client’s mistake, with what is wrong', async () => {
    await assert.rejects(timesOf(flows({ whitelist: [{ sourceIp: ['x'] }] })), {
      code: status.INVALID_ARGUMENT,
      details: '"x" is neither an address nor a prefix of addresses',
    });
  });

  test('a request that is none is the client’s mistake, too', async () => {
    const path = '/observer.Observer/GetFlows';
    const stream = client.makeServerStreamRequest(path, asBuffer, (each: Buffer) => each, Uint8Array.of(0xff));
    await assert.rejects(
      async () => {
        for await (const _ of stream);
      },
      { code: status.INVALID_ARGUMENT },
    );
  });

  test('a request without a message is ended, as the client’s mistake', async () => {
    const stream = client.makeBidiStreamRequest('/observer.Observer/GetFlows', asBuffer, (each: Buffer) => each);
    stream.end();
    await assert.rejects(
      async () => {
        for await (const _ of stream);
      },
      { code: status.INVALID_ARGUMENT, details: 'the request has no message' },
    );
  });

  test('state and health', async () => {
    const { maxFlows } = await ask('/observer.Observer/ServerStatus', ServerStatusRequestSchema, ServerStatusResponseSchema);
    assert.equal(maxFlows, 1_000n);
    const health = await ask('/grpc.health.v1.Health/Check', HealthCheckRequestSchema, HealthCheckResponseSchema);
    assert.equal(health.status, HealthCheckResponse_ServingStatus.SERVING);
  });
});
