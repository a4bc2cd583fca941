import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RESOURCE_KINDS, type ReferenceKind } from './meaning.ts';
import { type ConfigName, qualifyDefinition, qualifyReference } from './qualify-names.ts';

const SHOP: ConfigName = { namespace: 'default', name: 'shop' };
const EVERYWHERE: ConfigName = { namespace: '', name: 'shop' };

const FOREIGN: readonly ReferenceKind[] = [
  'aggregate-members',
  'certificate-provider',
  'extension-config',
  'filter-chain',
  'locality-endpoints',
  'protocol-routes',
  'resource-locator',
  'token-bucket',
];

/** What a name becomes where it refers to something; `-` where it is refused. */
const REFERENCES: readonly (readonly [config: ConfigName, name: string, open: string, own: string])[] = [
  [SHOP, '', '', ''],
  [SHOP, 'web', 'default/shop/web', 'default/shop/web'],
  [SHOP, 'default', 'default/shop/default', 'default/shop/default'],
  [SHOP, 'default/shop/web', 'default/shop/web', 'default/shop/web'],
  [SHOP, 'default/other/web', 'default/other/web', 'default/other/web'],
  [SHOP, 'default/web:80', 'default/web:80', 'default/shop/default/web:80'],
  [SHOP, 'default/web', 'default/web', 'default/shop/default/web'],
  [SHOP, 'default//web', 'default//web', 'default/shop/default//web'],
  [SHOP, 'default/shop/', 'default/shop/', 'default/shop/default/shop/'],
  [SHOP, 'other/web:80', '-', 'default/shop/other/web:80'],
  [SHOP, 'other/shop/web', '-', 'default/shop/other/shop/web'],
  [SHOP, 'default2/shop/web', '-', 'default/shop/default2/shop/web'],
  [SHOP, '/shop/web', '-', 'default/shop//shop/web'],
  [SHOP, '/', '-', 'default/shop//'],
  [EVERYWHERE, '', '', ''],
  [EVERYWHERE, 'web', '/shop/web', '/shop/web'],
  [EVERYWHERE, '/shop/web', '/shop/web', '/shop/web'],
  [EVERYWHERE, '/other/web', '/other/web', '/other/web'],
  [EVERYWHERE, 'default/web:80', 'default/web:80', '/shop/default/web:80'],
  [EVERYWHERE, 'default/shop/web', 'default/shop/web', '/shop/default/shop/web'],
  [EVERYWHERE, '/web', '/web', '/shop//web'],
];

for (const [config, name, open, own] of REFERENCES) {
  test(`a reference to "${name}" of "${config.namespace}"`, () => {
    for (const to of ['cluster', 'endpoints', 'secret'] as const) assert.equal(shown(qualifyReference(config, to, name)), open, to);
    for (const to of ['listener', 'route-configuration', 'shared'] as const)
      assert.equal(shown(qualifyReference(config, to, name)), own, to);
  });
}

/** What a resource's name becomes. */
const DEFINITIONS: readonly (readonly [config: ConfigName, name: string, open: string, own: string])[] = [
  [SHOP, 'web', 'default/shop/web', 'default/shop/web'],
  [SHOP, 'default/web:80', 'default/web:80', 'default/shop/default/web:80'],
  [SHOP, 'default/shop/web', 'default/shop/web', 'default/shop/web'],
  [SHOP, 'default/shop/web/tls', 'default/shop/web/tls', 'default/shop/web/tls'],
  [SHOP, 'default/other/web', '-', '-'],
  [SHOP, 'other/web:80', '-', 'default/shop/other/web:80'],
  [SHOP, '/shop/web', '-', 'default/shop//shop/web'],
  [EVERYWHERE, 'web', '/shop/web', '/shop/web'],
  [EVERYWHERE, 'default/web:80', 'default/web:80', '/shop/default/web:80'],
  [EVERYWHERE, 'default/shop/web', '-', '/shop/default/shop/web'],
  [EVERYWHERE, '/other/web', '-', '-'],
];

for (const [config, name, open, own] of DEFINITIONS) {
  test(`a resource "${name}" of "${config.namespace}"`, () => {
    for (const kind of ['cluster', 'endpoints', 'secret'] as const) assert.equal(shown(qualifyDefinition(config, kind, name)), open, kind);
    for (const kind of ['listener', 'route-configuration'] as const) assert.equal(shown(qualifyDefinition(config, kind, name)), own, kind);
  });
}

test('what no config can hold is refused, whatever its name', () => {
  for (const to of FOREIGN) {
    for (const name of ['web', 'default/shop/web', '']) {
      const qualified = qualifyReference(SHOP, to, name);
      assert.equal(qualified.kind === 'refused' && qualified.code, 'reference-not-permitted', to);
    }
  }
});

test('refusals say what may be done', () => {
  assert.deepEqual(qualifyReference(SHOP, 'cluster', 'other/web'), {
    kind: 'refused',
    code: 'reference-not-permitted',
    message: '"other/web" is not of the namespace default: a name with a slash must begin with "default/"',
  });
  assert.deepEqual(qualifyDefinition(SHOP, 'cluster', 'default/other/web'), {
    kind: 'refused',
    code: 'name-not-permitted',
    message: '"default/other/web" is a name of the config "other" in default',
  });
  assert.deepEqual(qualifyDefinition(EVERYWHERE, 'listener', '/other/web'), {
    kind: 'refused',
    code: 'name-not-permitted',
    message: '"/other/web" is a name of the config "other"',
  });
});

const part = fc.constantFrom('', 'default', 'shop', 'other', 'web', 'web:80');
const anyName = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
const config = fc.record({ namespace: fc.constantFrom('', 'default', 'shop'), name: fc.constantFrom('shop', 'default', 'web') });

test('a full name stays', () => {
  fc.assert(
    fc.property(config, fc.constantFrom<ReferenceKind>(...RESOURCE_KINDS, 'shared'), anyName, (own, to, name) => {
      const first = qualifyReference(own, to, name);
      if (first.kind === 'name') assert.deepEqual(qualifyReference(own, to, first.name), first);
    }),
  );
});

test('who defines and who refers mean the same', () => {
  fc.assert(
    fc.property(config, fc.constantFrom(...RESOURCE_KINDS), anyName, (own, kind, name) => {
      const defined = qualifyDefinition(own, kind, name);
      if (defined.kind === 'name') assert.deepEqual(qualifyReference(own, kind, name), defined);
    }),
  );
});

test('a cluster and the endpoints that have its name become the same', () => {
  fc.assert(
    fc.property(config, anyName, (own, name) => {
      assert.deepEqual(qualifyReference(own, 'endpoints', name), qualifyReference(own, 'cluster', name));
    }),
  );
});

test('a config of a namespace reaches nothing outside it, and two configs never define one name of theirs', () => {
  fc.assert(
    fc.property(config, config, fc.constantFrom(...RESOURCE_KINDS), anyName, anyName, (own, other, kind, name, otherName) => {
      const referred = shown(qualifyReference(own, kind, name));
      if (own.namespace !== '' && referred !== '-' && referred !== '') assert.ok(referred.startsWith(`${own.namespace}/`), referred);
      const defined = shown(qualifyDefinition(own, kind, name));
      const theirs = shown(qualifyDefinition(other, kind, otherName));
      const isOneConfig = own.namespace === other.namespace && own.name === other.name;
      if (isOneConfig || defined !== theirs || defined === '-') return;
      assert.ok(defined.split('/').length < 3, defined);
    }),
    { numRuns: 5000 },
  );
});

function shown(qualified: ReturnType<typeof qualifyReference>): string {
  return qualified.kind === 'name' ? qualified.name : '-';
}
