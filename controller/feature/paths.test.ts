import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { ingressManifest } from '../../testkit/manifest-objects.ts';
import { RunningSluice } from '../../testkit/running-sluice.ts';

const HOST = 'paths.test';

describe('paths', needs('envoy'), () => {
  const sluice = new RunningSluice();
  before(async () => {
    await sluice.addBackends('exact', 'prefix', 'deeper', 'regex', 'any');
    sluice.write(
      'paths.yaml',
      ingressManifest('paths', {
        rules: {
          [HOST]: [
            { path: '/foo', pathType: 'Prefix', service: 'prefix' },
            { path: '/foo/bar/', pathType: 'Prefix', service: 'deeper' },
            { path: '/foo', pathType: 'Exact', service: 'exact' },
            { path: '/slash/', pathType: 'Exact', service: 'exact' },
            { path: '/foo/[0-9]+', pathType: 'ImplementationSpecific', service: 'regex' },
            { path: '/v[12]/.*', pathType: 'ImplementationSpecific', service: 'regex' },
            { path: '/v1/fixed', pathType: 'Exact', service: 'exact' },
            { path: '/v1', pathType: 'Prefix', service: 'prefix' },
            { path: '/é {x}', pathType: 'Prefix', service: 'deeper' },
            { path: '/%66ull|', pathType: 'Exact', service: 'exact' },
          ],
          'all.paths.test': [{ path: '', pathType: 'ImplementationSpecific', service: 'any' }],
          'root.paths.test': [{ path: '/', pathType: 'Exact', service: 'exact' }],
        },
      }),
    );
    await sluice.start();
  });
  after(() => sluice.stop());

  const table: readonly (readonly [path: string, answer: string, why: string, host?: string])[] = [
    ['/foo', 'exact', 'an exact path comes before the same prefix'],
    ['/foo/', 'prefix', 'an exact path has no slash at its end'],
    ['/foo?x=/bar', 'exact', 'no path sees the query'],
    ['/foo/x', 'prefix', 'a prefix takes what is below it'],
    ['/foobar', '404', 'a prefix takes whole elements'],
    ['/FOO', '404', 'paths tell upper and lower case apart'],
    ['/foo/bar', 'deeper', 'the slash at the end of a prefix does not count'],
    ['/foo/bar/baz', 'deeper', 'the longer prefix comes first'],
    ['/foo/barbaz', 'prefix', 'the longer prefix takes whole elements, too'],
    ['/foo/17', 'regex', 'an expression comes before a prefix'],
    ['/foo/17/x', 'prefix', 'an expression is for the whole path'],
    ['/v1/users?q=1', 'regex', 'an expression does not see the query'],
    ['/v1/fixed', 'exact', 'an exact path comes before an expression'],
    ['/v1', 'prefix', 'an expression that does not match leaves the path to the prefix'],
    ['/v3/users', '404', 'nothing matches'],
    ['/slash/', 'exact', 'an exact path may end in a slash'],
    ['/slash', '404', 'and then needs it'],
    ['/', '404', 'no rule has the root'],
    ['/foo/../foo/bar', 'deeper', 'paths are put in order before they are compared'],
    ['/x/%66oo', '404', 'a path below another element is another path'],
    ['/%C3%A9%20%7Bx%7D/y', 'deeper', 'a path that is not encoded takes requests that are'],
    ['/%C3%A9%20{x}', 'deeper', 'also where they are so in part'],
    ['/full%7C', 'exact', 'a path that is encoded without need takes requests that are not'],
    ['/%66ull|', 'exact', 'and the other way round'],
    ['/anything/at/all', 'any', 'an empty path is every path', 'all.paths.test'],
    ['/', 'exact', 'an exact root is the root', 'root.paths.test'],
    ['/x', '404', 'and nothing else', 'root.paths.test'],
  ];
  for (const [path, answer, why, host = HOST] of table) {
    test(`${host}${path}: ${why}`, async () => assert.equal(await sluice.whoAnswers(host, path), answer));
  }

  test('the backend receives path and query as they were sent', async () => {
    const { body } = await sluice.get(HOST, '/foo/x%20y/z?a=%2F&b');
    assert.equal(JSON.parse(body).url, '/foo/x%20y/z?a=%2F&b');
  });
});
