import fc from 'fast-check';
import type { Talk } from '../oracle/talk.ts';

// Few words for much, so that about every other request is allowed by a rule.

const method = fc.constantFrom('GET', 'PUT', 'GET|PUT', '[A-Z]+', 'P.*', '', undefined);
const path = fc.constantFrom('/public', '/public/.*', '/(public|private)', '/private\\?all=[01]', '.*', '/', undefined, undefined);
const host = fc.constantFrom('a\\.example', '.*\\.example', 'a.example(:80)?', undefined, undefined);
const headers = fc.constantFrom(
  ...[['X-Role: admin'], ['X_Role: admin'], ['X-Role'], ['x-role admin', 'X-Token'], ['X-Request-Id'], ['X-Forwarded-Proto: http']],
  ...[['TE'], [], undefined, undefined, undefined, undefined],
);
const headerMatch = fc.record({
  name: fc.constantFrom('X-Role', 'X-Role', 'x-token', 'X_Token', 'X-Request-Id', 'X-Forwarded-Proto'),
  value: fc.constantFrom('admin', 'one', '', undefined),
  mismatch: fc.constantFrom('LOG', 'ADD', 'DELETE', 'REPLACE', undefined, undefined, undefined, undefined),
});

const httpRule = fc.record({
  method,
  path,
  host,
  headers,
  headerMatches: fc.option(fc.array(headerMatch, { maxLength: 2 }), { nil: undefined, freq: 2 }),
});

const CHANGED = ['X-Role', 'X-Token', 'X-Request-Id', 'X-Forwarded-Proto'] as const;

/** What changes headers of most requests. */
export const changingRule = fc.record({
  method: fc.constantFrom('[A-Z]+', 'GET|PUT', undefined),
  headers: fc.constantFrom(['X-Role'], undefined, undefined, undefined),
  headerMatches: fc.array(
    fc.record({
      name: fc.constantFrom(...CHANGED),
      value: fc.constantFrom('admin', 'one', ''),
      mismatch: fc.constantFrom('ADD', 'DELETE', 'REPLACE'),
    }),
    { minLength: 1, maxLength: 3 },
  ),
});

/** What asks for headers that these may have changed. */
export const demandingRule = fc.record({
  headers: fc.uniqueArray(fc.constantFrom(...CHANGED.flatMap((name) => [name, `${name}: admin`, `${name}: user,admin`, `${name}: one`])), {
    minLength: 1,
    maxLength: 2,
  }),
});

const serverName = fc.constantFrom('a.example', 'A.Example.', '*.example', '**.example', 'a*.example', '**', 'b.a.example');

/** What an item of `toPorts` may ask for: requests or server names; sometimes nothing, by lists without items. */
export const layer7: fc.Arbitrary<object> = fc.oneof(
  { weight: 6, arbitrary: fc.array(httpRule, { maxLength: 2 }).map((http) => ({ rules: { http } })) },
  { weight: 2, arbitrary: fc.array(serverName, { maxLength: 2 }).map((serverNames) => ({ serverNames })) },
);

const sentHeaders = fc.constantFrom<Record<string, string>>(
  {},
  { 'x-role': 'admin' },
  { 'x-role': 'user', 'x-token': 'one' },
  { 'x-role': 'admin', 'x-token': 'one' },
  { x_role: 'admin', x_token: 'one' },
  { 'x-role': 'user', x_role: 'admin' },
  // What Envoy sets, takes away or obeys.
  { 'x-request-id': 'one', 'x-forwarded-proto': 'http', 'x-role': 'user' },
  { 'x-request-id': 'admin', 'x-forwarded-proto': '' },
  { 'x-request-id': '', 'x-forwarded-proto': 'https', te: 'gzip' },
  { te: 'gzip, trailers', 'x-role': 'admin', 'x-token': 'one', connection: 'close, X-Token', 'keep-alive': '5' },
  { 'x-forwarded-for': '10.0.0.1', 'x-envoy-retry-on': '5xx', 'x-role': 'user' },
);

export const talk: fc.Arbitrary<Talk> = fc.record({
  method: fc.constantFrom('GET', 'PUT', 'PATCH', 'get'),
  path: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('/public', '/public/a', '/private', '/private?all=1', '/', '/Public') },
    // Servers read some of these in two ways, and Envoy answers others itself.
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        '/public/..;/private',
        '/public/.%2E;/a',
        '/public/.%3Bb',
        '/public/a;b',
        '/public?/..;/',
        '/public%2Fa',
        '/a%00',
        '/a#b',
      ),
    },
  ),
  host: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('a.example', 'b.a.example', 'aXexample', 'a.example:80', '') },
    { weight: 1, arbitrary: fc.constant('a.example,b.example') },
  ),
  headers: sentHeaders,
  serverName: fc.constantFrom('a.example', 'b.a.example', 'ab.example', 'example', 'A.EXAMPLE', ''),
});
