import { REFERENCES, type Scenario } from '../scenario.ts';

const area = 'protocols';

function same(found: unknown, expected: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(expected))
    throw new Error(`${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`);
}

export const PROTOCOLS: readonly Scenario[] = [
  {
    area,
    name: 'HTTP/2 of a client over TLS is HTTP/1.1 to a pod',
    reference: REFERENCES.http,
    run: async (world) => {
      await world.services('a');
      const { certificate: ca } = await world.certificate('a-tls', 'a.test');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' }, tls: { 'a-tls': ['a.test'] } });
      await web.answers('https://a.test/x', { status: 200, service: 'a', proto: 'HTTP/1.1', path: '/x' }, { version: '2', ca });
    },
  },
  {
    area,
    name: 'HTTP/2 of a client without TLS, by prior knowledge, is served',
    reference: REFERENCES.http,
    run: async (world) => {
      await world.services('a');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' } });
      await web.answers('http://a.test/x', { status: 200, service: 'a', path: '/x' }, { version: '2' });
    },
  },
  {
    area,
    name: 'HTTP/1.0 is served, or refused with a status that says so',
    reference: 'https://www.rfc-editor.org/rfc/rfc9110#section-15.5.22',
    run: async (world) => {
      await world.services('a');
      const web = await world.ingress('web', { rules: { 'a.test': 'a' } });
      const { status } = await web.send('http://a.test/', { version: '1.0' });
      if (![200, 426, 505].includes(status)) throw new Error(`HTTP/1.0 is answered with ${status}`);
    },
  },
  {
    area,
    name: 'A backend with appProtocol kubernetes.io/h2c receives HTTP/2',
    reference: REFERENCES.appProtocol,
    requests: 2,
    run: async (world) => {
      await world.ownService('h2c', { protocol: 'h2c', appProtocol: 'kubernetes.io/h2c' });
      const web = await world.ingress('web', { rules: { 'h2c.test': 'h2c' } });
      await web.answers('http://h2c.test/', { status: 200, service: 'h2c', proto: 'HTTP/2.0' });
      await web.answers('http://h2c.test/', { status: 200, service: 'h2c', proto: 'HTTP/2.0' }, { version: '2' });
    },
  },
  {
    area,
    name: 'gRPC calls and streams go through',
    reference: REFERENCES.appProtocol,
    requests: 2,
    run: async (world) => {
      await world.ownGrpcService('grpc', 'kubernetes.io/h2c');
      const web = await world.ingress('web', { rules: { 'grpc.test': 'grpc' } });
      same(await web.grpcUnary('grpc.test', 'hello'), 'grpc: hello');
      same(await web.grpcStream('grpc.test', ['one', 'two']), ['grpc: one', 'grpc: two']);
    },
  },
  {
    area,
    name: 'gRPC goes through over TLS',
    reference: REFERENCES.appProtocol,
    run: async (world) => {
      await world.ownGrpcService('grpc', 'kubernetes.io/h2c');
      const { certificate: ca } = await world.certificate('grpc-tls', 'grpc.test');
      const web = await world.ingress('web', { rules: { 'grpc.test': 'grpc' }, tls: { 'grpc-tls': ['grpc.test'] } });
      same(await web.grpcUnary('grpc.test', 'hello', ca), 'grpc: hello');
    },
  },
  {
    area,
    name: 'A WebSocket goes through, both ways, and knows its path',
    reference: 'https://www.rfc-editor.org/rfc/rfc6455',
    run: async (world) => {
      await world.ownService('socket');
      const web = await world.ingress('web', { rules: { 'socket.test': [{ path: '/live', service: 'socket' }] } });
      const { request, answers } = await web.webSocket('socket.test', '/live/x', ['one', 'two', 'three']);
      same([request.url, answers], ['/live/x', ['one', 'two', 'three']]);
    },
  },
  {
    area,
    name: 'A WebSocket goes through over TLS',
    reference: 'https://www.rfc-editor.org/rfc/rfc6455',
    run: async (world) => {
      await world.ownService('socket');
      const { certificate: ca } = await world.certificate('socket-tls', 'socket.test');
      const web = await world.ingress('web', { rules: { 'socket.test': 'socket' }, tls: { 'socket-tls': ['socket.test'] } });
      same((await web.webSocket('socket.test', '/', ['one'], ca)).answers, ['one']);
    },
  },
  {
    area,
    name: 'Methods, queries, headers and bodies arrive as they were sent',
    reference: REFERENCES.http,
    requests: 2,
    run: async (world) => {
      const backend = await world.ownService('own');
      const web = await world.ingress('web', { rules: { 'own.test': 'own' } });
      const body = 'x'.repeat(200_000);
      const headers = { 'x-mine': 'yes', 'content-type': 'text/plain' };
      await web.answers(
        'http://own.test/a%20b/?q=%2F&r',
        { status: 200, service: 'own', path: '/a%20b/?q=%2F&r', method: 'PUT' },
        { method: 'PUT', headers, body },
      );
      const received = backend.received.at(-1);
      same([received?.headers['x-mine'], received?.headers['host'], received?.body.length], ['yes', 'own.test', body.length]);
      await web.answers('http://own.test/?status=418', { status: 418, service: 'own' });
    },
  },
  {
    area,
    name: 'The pod is told how the client came',
    reference: 'https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-proto',
    requests: 2,
    run: async (world) => {
      await world.services('a');
      await world.certificate('a-tls', 'a.test');
      const annotations = { 'force-https': 'disabled' };
      const web = await world.ingress('web', { annotations, rules: { 'a.test': 'a' }, tls: { 'a-tls': ['a.test'] } });
      const plain = await web.answers('http://a.test/', 'a');
      const secure = await web.answers('https://a.test/', 'a');
      same([plain.echo?.headers['x-forwarded-proto'], secure.echo?.headers['x-forwarded-proto']], ['http', 'https']);
    },
  },
  {
    area,
    name: 'request-timeout ends what takes longer',
    reference: REFERENCES.annotations,
    requests: 2,
    run: async (world) => {
      await world.ownService('own');
      const web = await world.ingress('web', { annotations: { 'request-timeout': '1s' }, rules: { 'own.test': 'own' } });
      await web.answers('http://own.test/?delay=4000', { status: 504, service: null });
      await web.answers('http://own.test/', 'own');
    },
  },
];
