import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { get } from 'node:https';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { Backend } from './backend.ts';
import { makeCertificate } from './make-certificate.ts';

test('echoes the request and says who it is', async () => {
  await using backend = await Backend.start({ name: 'a' });
  const url = `http://127.0.0.1:${backend.port}`;
  const response = await fetch(`${url}/path?status=418`, { method: 'POST', body: 'hello', headers: { 'X-Test': 'yes' } });
  assert.equal(response.status, 418);
  assert.equal(response.headers.get('x-backend'), 'a');
  assert.deepEqual(await response.json(), backend.received[0]);
  const [echo] = backend.received;
  assert.equal(echo?.method, 'POST');
  assert.equal(echo.url, '/path?status=418');
  assert.equal(echo.httpVersion, '1.1');
  assert.equal(echo.body, 'hello');
  assert.equal(echo.headers['x-test'], 'yes');
  assert.equal(echo.tls, null);
  assert.equal(await (await fetch(`${url}/?chunks=2&every=1`)).text(), 'chunk 1 of 2\nchunk 2 of 2\n');
  await assert.rejects(fetch(`${url}/?reset`));
});

test('h2c', async () => {
  await using backend = await Backend.start({ name: 'b', protocol: 'h2c' });
  const session = connect(`http://127.0.0.1:${backend.port}`);
  const stream = session.request({ ':path': '/two', ':authority': 'example.com' });
  const echo = JSON.parse(await text(stream));
  assert.equal(echo.httpVersion, '2.0');
  assert.equal(echo.url, '/two');
  assert.equal(echo.headers[':authority'], 'example.com');
  session.close();
  await once(session, 'close');
});

test('HTTP/1.1 and HTTP/2 on one port, by what the client begins with', async () => {
  await using backend = await Backend.start({ name: 'b', protocol: 'any' });
  assert.equal(JSON.parse(await (await fetch(`http://127.0.0.1:${backend.port}`)).text()).httpVersion, '1.1');
  const session = connect(`http://127.0.0.1:${backend.port}`);
  assert.equal(JSON.parse(await text(session.request({ ':path': '/' }))).httpVersion, '2.0');
  session.close();
  await once(session, 'close');
});

test('https, over HTTP/2 and HTTP/1.1 by what the client offers', async () => {
  const { certificate, privateKey } = makeCertificate({ names: ['backend.test'] });
  await using backend = await Backend.start({ name: 'd', protocol: 'https', tls: { cert: certificate, key: privateKey } });
  const options = { servername: 'backend.test', rejectUnauthorized: false };
  const session = connect(`https://127.0.0.1:${backend.port}`, options);
  const second = JSON.parse(await text(session.request({ ':path': '/' })));
  assert.equal(second.httpVersion, '2.0');
  assert.deepEqual(second.tls, { sni: 'backend.test', alpn: 'h2' });
  session.close();
  await once(session, 'close');

  const [response] = await once(get({ ...options, host: '127.0.0.1', port: backend.port, agent: false }), 'response');
  const first = JSON.parse(await text(response));
  assert.equal(first.httpVersion, '1.1');
  assert.equal(first.tls.sni, 'backend.test');
});

test('WebSocket', async () => {
  await using backend = await Backend.start({ name: 'c' });
  const webSocket = new WebSocket(`ws://127.0.0.1:${backend.port}/chat`);
  const [first] = await once(webSocket, 'message');
  assert.equal(JSON.parse(String(first)).backend, 'c');
  webSocket.send('hello');
  const [second] = await once(webSocket, 'message');
  assert.equal(String(second), 'hello');
});

test('a backend that closes breaks its connections, and its port can be taken again', async () => {
  await using first = await Backend.start({ name: 'first' });
  const broken = assert.rejects(fetch(`http://127.0.0.1:${first.port}/?delay=600000`));
  while (first.received.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await first.close();
  await broken;
  await using second = await Backend.start({ name: 'second', port: first.port });
  assert.equal((await fetch(`http://127.0.0.1:${second.port}/`)).headers.get('x-backend'), 'second');
});
