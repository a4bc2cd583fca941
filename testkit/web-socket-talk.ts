import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { EchoedRequest } from './backend.ts';

export interface WebSocketTarget {
  /** Default 127.0.0.1. */
  readonly address?: string;
  readonly port: number;
  readonly host: string;
  readonly path?: string;
  /** PEM of whom to trust; without it there is no TLS. */
  readonly ca?: string;
}

/**
 * Opens a WebSocket, which the backend greets with the request that it received, and sends each text once the one before
 * has come back.
 * @throws Error where the answer to the request is none that opens one, with its status
 */
export async function talkByWebSocket(
  { address = '127.0.0.1', port, host, path = '/', ca }: WebSocketTarget,
  texts: readonly string[],
): Promise<{ readonly request: EchoedRequest; readonly answers: readonly string[] }> {
  const scheme = ca === undefined ? 'ws' : 'wss';
  // Its types do not know the server name, which goes through to the TLS connection.
  const options = { headers: { host }, servername: host, ...(ca && { ca }) };
  const socket = new WebSocket(`${scheme}://${address}:${port}${path}`, options);
  try {
    const [greeting] = await once(socket, 'message');
    const answers: string[] = [];
    for (const text of texts) {
      socket.send(text);
      const [answer] = await once(socket, 'message');
      answers.push(String(answer));
    }
    return { request: JSON.parse(String(greeting)), answers };
  } finally {
    socket.terminate();
  }
}
