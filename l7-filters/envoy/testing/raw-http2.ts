import { once } from 'node:events';
import { connect } from 'node:net';

export type HeaderField = readonly [name: string, value: string];

/** What came of a request: an answer, an end of its stream, or an end of the connection. */
export type StreamOutcome = 'answered' | 'reset' | 'closed';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const FRAME = { DATA: 0, HEADERS: 1, RST_STREAM: 3, SETTINGS: 4, GOAWAY: 7 } as const;
const END_STREAM = 1;
const END_HEADERS = 4;
const HEAD_BYTES = 9;
const STREAM = 1;

/**
 * Sends one request over HTTP/2 by prior knowledge, with headers as they are: no library would send what is wrong.
 * @param body sent after the headers, if any
 * @see https://www.rfc-editor.org/rfc/rfc9113#section-4
 */
export async function sendHttp2(port: number, headers: readonly HeaderField[], body?: string): Promise<StreamOutcome> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const { promise, resolve } = Promise.withResolvers<StreamOutcome>();
  let received: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const { outcome, rest } = readFrames(received);
    received = rest;
    if (outcome) resolve(outcome);
  });
  socket.on('close', () => resolve('closed'));
  socket.on('error', () => resolve('closed'));
  const flags = END_HEADERS | (body === undefined ? END_STREAM : 0);
  socket.write(Buffer.concat([Buffer.from(PREFACE), frame(FRAME.SETTINGS, 0, 0, Buffer.alloc(0))]));
  socket.write(frame(FRAME.HEADERS, flags, STREAM, Buffer.concat(headers.map(literal))));
  if (body !== undefined) socket.write(frame(FRAME.DATA, END_STREAM, STREAM, Buffer.from(body)));
  const outcome = await promise;
  socket.destroy();
  return outcome;
}

function readFrames(bytes: Buffer): { readonly outcome?: StreamOutcome; readonly rest: Buffer } {
  let rest = bytes;
  while (rest.length >= HEAD_BYTES) {
    const end = HEAD_BYTES + rest.readUIntBE(0, 3);
    if (rest.length < end) break;
    const type = rest.readUInt8(3);
    const stream = rest.readUInt32BE(5);
    if (type === FRAME.GOAWAY) return { outcome: 'closed', rest };
    if (stream === STREAM && type === FRAME.RST_STREAM) return { outcome: 'reset', rest };
    if (stream === STREAM && type === FRAME.HEADERS) return { outcome: 'answered', rest };
    rest = rest.subarray(end);
  }
  return { rest };
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Neither indexed nor compressed. @see https://www.rfc-editor.org/rfc/rfc7541#section-6.2.2 */
function literal([name, value]: HeaderField): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

function text(of: string): Buffer {
  const bytes = Buffer.from(of, 'latin1');
  if (bytes.length > 126) throw new Error('longer than a byte can say');
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}
