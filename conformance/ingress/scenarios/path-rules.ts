import type { PathManifest } from '../../../testkit/manifest-objects.ts';
import type { Expected } from '../expectation.ts';
import { REFERENCES, type Scenario } from '../scenario.ts';

type PathType = 'Exact' | 'Prefix' | 'ImplementationSpecific';

interface PathCase {
  readonly name: string;
  readonly reference?: string;
  readonly covers?: readonly string[];
  /** Paths as `TYPE PATH`, in the order of the Ingress, each with a Service of its own: `s0`, `s1`, … */
  readonly paths: readonly `${PathType} ${string}`[];
  readonly requests: Readonly<Record<string, Taker>>;
}

/** Of a request: the number of the path that takes it, none, or the path that it is redirected to. */
type Taker = number | 'none' | { readonly redirectedTo: string };

const covers = (what: string, example: string) => [`path rules: ${what} (${example})`];
const EXACT = 'An Ingress with exact path rules should';
const PREFIX = 'An Ingress with prefix path rules should';
const SLASH = 'An Ingress with a trailing slashes in';
const IGNORES_SLASH = `${PREFIX} ignore the request trailing slash and send traffic to the matching backend service`;
/** The order is not that of their lengths, so that it cannot be by chance that the longest wins. */
const PREFIXES = ['Prefix /foo', 'Prefix /aaa/bbb', 'Prefix /aaa'] as const;

const CASES: readonly PathCase[] = [
  {
    name: 'Exact /foo takes /foo',
    covers: covers(`${EXACT} send traffic to the matching backend service`, 'exact /foo matches request /foo'),
    paths: ['Exact /foo'],
    requests: { '/foo': 0 },
  },
  {
    name: 'Exact /foo does not take /foo/',
    covers: covers(`${EXACT} not match requests with trailing slash`, 'exact /foo does not match request /foo/'),
    paths: ['Exact /foo'],
    requests: { '/foo/': 'none' },
  },
  {
    name: 'Exact /foo does not take /FOO',
    covers: covers(`${EXACT} be case sensitive`, 'exact /foo does not match request /FOO'),
    paths: ['Exact /foo'],
    requests: { '/FOO': 'none' },
  },
  {
    name: 'Exact /foo does not take /bar',
    covers: covers(`${EXACT} not match any other label`, 'exact /foo does not match request /bar'),
    paths: ['Exact /foo'],
    requests: { '/bar': 'none', '/foo/bar': 'none', '/': 'none' },
  },
  {
    name: 'Prefix /foo takes /foo',
    covers: covers(`${PREFIX} send traffic to the matching backend service`, 'prefix /foo matches request /foo'),
    paths: PREFIXES,
    requests: { '/foo': 0 },
  },
  {
    name: 'Prefix /foo takes /foo/',
    covers: [
      ...covers(IGNORES_SLASH, 'prefix /foo matches request /foo/'),
      ...covers(IGNORES_SLASH, 'prefix /foo matches request /foo/, again'),
    ],
    paths: PREFIXES,
    requests: { '/foo/': 0 },
  },
  {
    name: 'Prefix /foo does not take /FOO',
    covers: covers(`${PREFIX} be case sensitive`, 'prefix /foo does not match request /FOO'),
    paths: PREFIXES,
    requests: { '/FOO': 'none' },
  },
  {
    name: 'Prefix /aaa/bbb takes /aaa/bbb before /aaa',
    covers: covers(`${PREFIX} match multiple labels, match the longest path, and send traffic`, 'prefix /aaa/bbb matches request /aaa/bbb'),
    paths: PREFIXES,
    requests: { '/aaa/bbb': 1 },
  },
  {
    name: 'Prefix /aaa/bbb takes what is below it',
    covers: covers(`${PREFIX} match multiple labels, match the longest path, and subpaths`, 'prefix /aaa/bbb matches request /aaa/bbb/ccc'),
    paths: PREFIXES,
    requests: { '/aaa/bbb/ccc': 1, '/aaa/bbb/': 1 },
  },
  {
    name: 'Prefix /aaa takes what a longer one does not',
    covers: covers(`${PREFIX} and send traffic to the matching backend service`, 'prefix /aaa matches request /aaa/ccc'),
    paths: PREFIXES,
    requests: { '/aaa/ccc': 2 },
  },
  {
    name: 'Prefix /aaa does not take /aaaccc',
    covers: covers(`${PREFIX} match each labels string prefix`, 'prefix /aaa does not match request /aaaccc'),
    paths: PREFIXES,
    requests: { '/aaaccc': 'none', '/aaa/bbbxyz': 2 },
  },
  {
    name: 'Exact goes before Prefix of the same path',
    reference: REFERENCES.severalMatches,
    covers: covers('An Ingress with mixed path rules should send traffic where Exact is preferred', 'exact /foo matches request /foo'),
    paths: ['Prefix /foo', 'Exact /foo'],
    requests: { '/foo': 1, '/foo/': 0, '/foo/bar': 0 },
  },
  {
    name: 'Prefix /aaa/bbb/ takes /aaa/bbb',
    covers: covers(`${SLASH} a prefix path rule should ignore the trailing slash`, 'prefix /aaa/bbb/ matches request /aaa/bbb'),
    paths: ['Prefix /aaa/bbb/', 'Exact /foo/'],
    requests: { '/aaa/bbb': 0 },
  },
  {
    name: 'Prefix /aaa/bbb/ takes /aaa/bbb/',
    covers: covers(`${SLASH} a prefix path rule should ignore the trailing slash`, 'prefix /aaa/bbb/ matches request /aaa/bbb/'),
    paths: ['Prefix /aaa/bbb/', 'Exact /foo/'],
    requests: { '/aaa/bbb/': 0, '/aaa/bbb/ccc': 0, '/aaa/bbbccc': 'none' },
  },
  {
    name: 'Exact /foo/ does not take /foo',
    covers: covers(
      `${SLASH} an exact path rule should not match requests without a trailing slash`,
      'exact /foo/ does not match request /foo',
    ),
    paths: ['Prefix /aaa/bbb/', 'Exact /foo/'],
    requests: { '/foo': 'none', '/foo/': 1 },
  },
  { name: 'Prefix / takes everything', paths: ['Prefix /'], requests: { '/': 0, '/a': 0, '/a/b/': 0, '/%20': 0 } },
  {
    name: 'Prefix / leaves to longer ones what is theirs',
    paths: ['Prefix /', 'Prefix /a', 'Prefix /a/b'],
    requests: { '/a/b/c': 2, '/a/c': 1, '/ab': 0 },
  },
  { name: 'Exact / takes the root only', paths: ['Exact /'], requests: { '/': 0, '/a': 'none' } },
  {
    name: 'The table of the documentation holds for Prefix and Exact of several paths',
    paths: ['Prefix /aaa/bb', 'Prefix /xxx/yyy/', 'Exact /foo'],
    requests: { '/aaa/bbb': 'none', '/aaa/bb': 0, '/xxx/yyy': 1, '/xxx/yyy/zzz': 1, '/xxx/yyyz': 'none', '/foo/': 'none' },
  },
  {
    name: 'The longest path goes first, whatever its place in the Ingress',
    reference: REFERENCES.severalMatches,
    paths: ['Prefix /a', 'Prefix /a/b/c', 'Prefix /', 'Prefix /a/b'],
    requests: { '/a/b/c/d': 1, '/a/b/d': 3, '/a/d': 0, '/d': 2 },
  },
  {
    name: 'An Exact path goes before every longer match of a Prefix',
    reference: REFERENCES.severalMatches,
    paths: ['Prefix /a/b', 'Exact /a/b/c', 'Prefix /a/b/c'],
    requests: { '/a/b/c': 1, '/a/b/c/': 2, '/a/b/d': 0 },
  },
  {
    name: 'A query does not take part in matching',
    reference: 'https://www.rfc-editor.org/rfc/rfc3986#section-3.4',
    paths: ['Exact /foo', 'Prefix /bar'],
    requests: { '/foo?a=1': 0, '/foo?': 0, '/bar?/foo': 1, '/bar/?x=/foo&y': 1, '/baz?/foo': 'none' },
  },
  {
    name: 'A path with an encoded slash goes to nobody; the answer names the one without',
    reference: 'https://www.rfc-editor.org/rfc/rfc3986#section-2.2',
    paths: ['Prefix /a/b', 'Exact /c'],
    requests: {
      '/a/b': 0,
      '/a%2Fb': { redirectedTo: '/a/b' },
      '/a%2fb/x?y=%2F': { redirectedTo: '/a/b/x?y=%2F' },
      '/c': 1,
      '/c%5C': { redirectedTo: '/c/' },
    },
  },
  {
    name: 'Unreserved characters and those that are special in regular expressions stand for themselves',
    paths: ['Exact /a.b', 'Prefix /c+d', 'Exact /(e)', 'Prefix /~f_g-h'],
    requests: { '/a.b': 0, '/aXb': 'none', '/c+d/x': 1, '/ccd': 'none', '/(e)': 2, '/e': 'none', '/~f_g-h': 3 },
  },
  {
    name: 'ImplementationSpecific / takes everything that nothing else does',
    reference: REFERENCES.pathTypes,
    paths: ['ImplementationSpecific /.*', 'Prefix /foo', 'Exact /bar'],
    requests: { '/bar': 2, '/other': 0 },
  },
  {
    name: 'An empty path of ImplementationSpecific takes everything',
    reference: REFERENCES.api,
    paths: ['ImplementationSpecific '],
    requests: { '/': 0, '/a/b': 0 },
  },
  {
    name: 'ImplementationSpecific is a regular expression for the whole path',
    reference: 'https://docs.cilium.io/en/stable/network/servicemesh/ingress/#ingress-path-types-and-precedence',
    paths: ['ImplementationSpecific /v[0-9]+/users', 'Prefix /static'],
    requests: { '/v1/users': 0, '/v12/users': 0, '/v1/users/7': 'none', '/va/users': 'none', '/static/v1/users': 1 },
  },
];

export const PATH_RULES: readonly Scenario[] = CASES.map(({ name, reference = REFERENCES.pathTypes, covers, paths, requests }) => ({
  area: 'path rules',
  name,
  reference,
  ...(covers && { covers }),
  requests: Object.keys(requests).length,
  run: async (world) => {
    await world.services(...paths.map((_, index) => `s${index}`));
    const web = await world.ingress('path-rules', { rules: { 'path-rules': paths.map(pathManifest) } });
    const cases = Object.entries(requests).map(([path, taker]): [string, Expected] => [
      `http://path-rules${path}`,
      expectedOf(path, taker),
    ]);
    await web.answersAll(Object.fromEntries(cases));
  },
}));

function expectedOf(path: string, taker: Taker): Expected {
  if (taker === 'none') return 404;
  if (typeof taker === 'number') return { status: 200, service: `s${taker}`, path };
  return { status: 307, service: null, location: taker.redirectedTo };
}

const TYPES: Readonly<Record<string, PathType>> = { Exact: 'Exact', Prefix: 'Prefix', ImplementationSpecific: 'ImplementationSpecific' };

function pathManifest(text: string, index: number): PathManifest {
  const [type = '', path = ''] = text.split(' ');
  return { path, pathType: TYPES[type] ?? 'Prefix', service: `s${index}` };
}
