import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Metadata, Server, ServerCredentials, type ServerUnaryCall, type ServiceError, status } from '@grpc/grpc-js';
import { RelatedTraces, toldFlow } from '../flows/index.ts';
import { exampleFlow } from '../flows/testing/example-flow.ts';
import type { Collector } from '../model/index.ts';
import { logSender } from './otlp-sender.ts';
import { logOf, resourceOf } from './records.ts';
import type { Sent } from './ring-export.ts';

const PATH = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';
const MOST_BYTES = 2_000;
const RECORD = logOf(toldFlow(exampleFlow(), new RelatedTraces()), resourceOf({}));

type Answer = Pick<ServiceError, 'code' | 'details' | 'metadata'> | undefined;

/** A collector's answers by gRPC and HTTP, and how many flows of 100 at a time it is asked with. */
const CASES: readonly {
  name: string;
  protocol: Collector['protocol'];
  count: number;
  answer?: Answer;
  code?: number;
  result: Sent['result'];
}[] = [
  { name: 'taken', protocol: 'grpc', count: 1, result: 'taken' },
  { name: 'too large', protocol: 'grpc', count: 100, result: 'too-large' },
  { name: 'no room for a while', protocol: 'grpc', count: 1, answer: exhausted('google.rpc.RetryInfo'), result: 'failed' },
  { name: 'no room, and no word of when', protocol: 'grpc', count: 1, answer: exhausted('google.rpc.QuotaFailure'), result: 'too-large' },
  { name: 'not allowed', protocol: 'grpc', count: 1, answer: refusal(status.PERMISSION_DENIED), result: 'refused' },
  { name: 'not there', protocol: 'grpc', count: 1, answer: refusal(status.UNAVAILABLE), result: 'failed' },
  { name: 'taken', protocol: 'http', count: 1, code: 200, result: 'taken' },
  { name: 'too large', protocol: 'http', count: 1, code: 413, result: 'too-large' },
  { name: 'not allowed', protocol: 'http', count: 1, code: 403, result: 'refused' },
];

function refusal(code: status): Answer {
  return { code, details: 'no', metadata: new Metadata() };
}

function exhausted(detail: string): Answer {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(`type.googleapis.com/${detail}`));
  return { code: status.RESOURCE_EXHAUSTED, details: 'no', metadata };
}

describe('what a collector answers', () => {
  const cleanUp = new AsyncDisposableStack();
  const ports = { grpc: 0, http: 0 };
  const answers: { grpc: Answer; http: number } = { grpc: undefined, http: 200 };

  before(async () => {
    const grpc = new Server({ 'grpc.max_receive_message_length': MOST_BYTES });
    cleanUp.defer(() => grpc.forceShutdown());
    const pass = (bytes: Buffer) => bytes;
    const method = { path: PATH, requestStream: false, responseStream: false } as const;
    const passed = { requestSerialize: pass, requestDeserialize: pass, responseSerialize: pass, responseDeserialize: pass };
    grpc.addService(
      { export: { ...method, ...passed } },
      {
        export: (_: ServerUnaryCall<Buffer, Buffer>, reply: (error: Partial<ServiceError> | null, value: Buffer) => void) =>
          reply(answers.grpc ?? null, Buffer.alloc(0)),
      },
    );
    ports.grpc = await new Promise<number>((resolve, reject) =>
      grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
    );
    const http = createServer((request, response) => {
      request.resume().on('end', () => response.writeHead(answers.http).end());
    });
    cleanUp.defer(() => {
      http.close();
      http.closeAllConnections();
    });
    await once(http.listen(0, '127.0.0.1'), 'listening');
    const address = http.address();
    ports.http = typeof address === 'object' ? (address?.port ?? 0) : 0;
  });
  after(() => cleanUp.disposeAsync());

  for (const { name, protocol, count, answer, code = 200, result } of CASES) {
    test(`${name}, by ${protocol}: ${result}`, async () => {
      answers.grpc = answer;
      answers.http = code;
      const endpoint = `http://127.0.0.1:${ports[protocol]}`;
      const { send, close } = logSender({ endpoint, protocol, certificateAuthorities: '' });
      assert.equal((await send(Array.from({ length: count }, () => RECORD))).result, result);
      close();
    });
  }
});
