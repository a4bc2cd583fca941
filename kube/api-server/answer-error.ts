import type { IncomingHttpHeaders } from 'node:http';
import { ApiError, type ApiErrorCode } from './api-error.ts';

const CODES: Readonly<Record<number, ApiErrorCode>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  409: 'conflict',
  410: 'gone',
  413: 'invalid',
  415: 'invalid',
  422: 'invalid',
  429: 'too-many-requests',
};

const MAX_MESSAGE = 1_000;
/** Whoever asks for more is wrong, or its clock is. */
const MAX_RETRY_AFTER_MS = 60_000;

/** Reads `metav1.Status`, of an answer that is not 2xx or of a watch event of type ERROR. */
export function errorOfStatus(status: number, decoded: unknown, path: string, retryAfterMs?: number): ApiError {
  const reason = text(decoded, 'reason');
  // What is refused in a Secret may be quoted in the message.
  const secret = /\/secrets(?:\/|$)/.test(path);
  const said = (secret ? undefined : text(decoded, 'message')) ?? reason ?? 'no reason given';
  const message = `${path}: ${status} ${said.slice(0, MAX_MESSAGE)}`;
  return new ApiError(codeOf(status, reason, retryAfterMs), message, { status, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}

function codeOf(status: number, reason: string | undefined, retryAfterMs: number | undefined): ApiErrorCode {
  if (status === 409 && reason === 'AlreadyExists') return 'already-exists';
  if (status === 503 && retryAfterMs !== undefined) return 'too-many-requests';
  return CODES[status] ?? 'server-error';
}

/** In milliseconds, one minute at most; both forms of RFC 9110, section 10.2.3. */
export function retryAfter(headers: IncomingHttpHeaders): number | undefined {
  const value = headers['retry-after'];
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Math.min(Number(value) * 1000, MAX_RETRY_AFTER_MS);
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.min(Math.max(0, at - Date.now()), MAX_RETRY_AFTER_MS);
}

function text(value: unknown, key: string): string | undefined {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return typeof found === 'string' && found !== '' ? found : undefined;
}
