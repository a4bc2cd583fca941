export type ApiErrorCode =
  /** No answer: refused, reset, timed out, no such name, a certificate that does not fit. */
  | 'unreachable'
  /** 401: the credentials are missing or no longer good. */
  | 'unauthorized'
  /** 403: RBAC or an admission rule says no. */
  | 'forbidden'
  /** 404: no such object, or no such kind. */
  | 'not-found'
  /** 409 with reason AlreadyExists. */
  | 'already-exists'
  /** 409 otherwise: somebody else changed it, or owns the field. */
  | 'conflict'
  /** 410: the resource version is too old to continue from. */
  | 'gone'
  /** 400, 413, 415, 422: sending it again would not help. */
  | 'invalid'
  /** 429, or 503 with Retry-After. */
  | 'too-many-requests'
  /** Any other answer. */
  | 'server-error';

/** What the API server, or the way to it, said. The message never holds credentials or the content of a Secret. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ApiErrorCode;
  /** HTTP status; undefined where there was no answer. */
  readonly status: number | undefined;
  /** How long the server asks to be left alone, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ApiErrorCode,
    message: string,
    options: { readonly status?: number; readonly retryAfterMs?: number; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** What a request gives; undefined where there is no such object, or no such kind. @throws whatever else the request throws */
export async function ifFound(request: Promise<unknown>): Promise<unknown> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof ApiError && error.code === 'not-found') return undefined;
    throw error;
  }
}
