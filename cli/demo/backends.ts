import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';

/** A small HTTP server on loopback. */
export interface Backend {
  readonly port: number;
  close(): Promise<void>;
}

/** Answers everything with a line of text. @param port the one to try first; if it is taken, any other */
export function startWebBackend(port: number): Promise<Backend> {
  return start(port, (request, response) => {
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    response.end(`Hello from the web backend: ${request.method} ${request.url} for ${request.headers.host}\n`);
  });
}

/** Answers everything with what it was asked, as JSON. @param port the one to try first; if it is taken, any other */
export function startApiBackend(port: number): Promise<Backend> {
  return start(port, (request, response) => {
    const { host, 'x-forwarded-proto': scheme, 'x-forwarded-for': client, 'x-request-id': id } = request.headers;
    response.setHeader('content-type', 'application/json');
    response.end(`${JSON.stringify({ backend: 'api', path: request.url, host, scheme, client, id })}\n`);
  });
}

async function start(port: number, answer: RequestListener): Promise<Backend> {
  const server = createServer(answer);
  const actual = (await listen(server, port)) ?? (await listen(server, 0)) ?? 0;
  return {
    port: actual,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Undefined where the port is taken. */
async function listen(server: Server, port: number): Promise<number | undefined> {
  server.listen({ host: '127.0.0.1', port });
  try {
    await once(server, 'listening');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return undefined;
    throw error;
  }
  const address = server.address();
  return typeof address === 'object' && address ? address.port : undefined;
}
