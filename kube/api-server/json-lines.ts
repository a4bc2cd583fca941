import { StringDecoder } from 'node:string_decoder';
import { ApiError } from './api-error.ts';

/** Larger than anything that etcd holds. */
const MAX_LINE = 16 * 1024 * 1024;

/**
 * One JSON value a line, however the bytes are cut into chunks. A last line that does not end is not a value: the
 * connection broke in it.
 * @throws ApiError `server-error` for what is no JSON, or a line of more than 16 MB; the message holds nothing of it
 */
export async function* decodeJsonLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, void, undefined> {
  const decoder = new StringDecoder('utf8');
  let parts: string[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    const text = decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    let start = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      parts.push(text.slice(start, end));
      const line = parts.join('');
      parts = [];
      length = 0;
      start = end + 1;
      if (line.trim() !== '') yield decodeJson(line);
    }
    parts.push(text.slice(start));
    length += text.length - start;
    if (length > MAX_LINE) throw new ApiError('server-error', `a line of the answer is longer than ${MAX_LINE} characters`);
  }
}

/** @throws ApiError `server-error`; the message holds nothing of the text */
export function decodeJson(text: string): unknown {
  const value = tryDecodeJson(text);
  if (value === undefined) throw new ApiError('server-error', 'the answer is no JSON');
  return value;
}

/** A JSON value; undefined where the text is none, since the error of the language quotes it. */
export function tryDecodeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
