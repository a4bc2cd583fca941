import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { BY_LISTENER } from './shop-config.ts';

// Answers each request with its name, what was asked for and by which listener, and says its name to whoever connects to another port. Where it has a
// certificate, it speaks TLS as well.

const { NAME = '', PORT = '', TLS_PORT = '', WORD_PORT = '', CERTIFICATE = '', PRIVATE_KEY = '' } = process.env;
/** Of Envoy, where a route asks for it. */
const ATTEMPT = 'x-envoy-attempt-count';

const answer: RequestListener = (request, response) => {
  const { url = '', headers } = request;
  request.resume();
  // Envoy gives each request a number, be it for one of the listeners here or not.
  const led = headers[BY_LISTENER] ?? (headers['x-request-id'] && 'by Envoy');
  if (url.startsWith('/flaky') && headers[ATTEMPT] === '1') response.statusCode = 503;
  // A kubelet asks nobody else.
  else if (led === undefined && url !== '/healthz') response.statusCode = 500;
  response.end(`${NAME} ${url} ${led ?? 'by no listener'}`);
};

createServer({ keepAliveTimeout: 0 }, answer).listen(Number(PORT));
createTcpServer((socket) => {
  socket.on('error', () => {});
  socket.end(NAME);
}).listen(Number(WORD_PORT));
if (CERTIFICATE !== '') createTlsServer({ cert: CERTIFICATE, key: PRIVATE_KEY, keepAliveTimeout: 0 }, answer).listen(Number(TLS_PORT));
