/** What rules see of a request. */
export interface HttpRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** `:authority`, or the header `Host`. */
  readonly host: string;
  /** In order; names in any case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/**
 * The value of a header as a rule compares it: those of equal names are joined by commas, as Envoy does it; undefined if there is none.
 * @param name in lower case; `host` means what `:authority` says
 */
export function headerValue({ host, headers }: HttpRequest, name: string): string | undefined {
  if (name === 'host') return host === '' ? undefined : host;
  const values = headers.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value.trim());
  return values.length > 0 ? values.join(',') : undefined;
}
