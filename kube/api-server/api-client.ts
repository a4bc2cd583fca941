/** One request to the API server. */
export interface ApiRequest {
  /** Default GET. */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** From the root, without query: `/apis/networking.k8s.io/v1/ingresses`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the body; default `application/json`. Server-side apply takes `application/apply-patch+yaml`, of which JSON is a part. */
  readonly contentType?: string;
  /** Default `application/json`. */
  readonly accept?: string;
  readonly signal?: AbortSignal;
}

/** Speaks to one API server, with whatever credentials it was made with. */
export interface ApiClient {
  /**
   * @returns the decoded JSON of the answer
   * @throws ApiError for every answer that is not 2xx and where there is none; the signal's reason where it was aborted
   */
  request(request: ApiRequest): Promise<unknown>;
  /**
   * One JSON value a line, as a watch answers, until the server ends it.
   * @throws as `request` does, also in the middle
   */
  stream(request: ApiRequest): AsyncIterable<unknown>;
  /** Ends what is open and idle. */
  close(): Promise<void>;
}
