import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { ingressObject, serviceObject } from '../../testkit/kube-objects.ts';
import type { ResourceName } from '../../xds-server/serve/resource.ts';
import { SCOPE_KEEPER } from '../../xds-server/serve/types.ts';
import { LISTENER, ROUTES, SCOPED_ROUTES } from '../../xds-server/translate/types.ts';
import { Pipeline } from './pipeline.ts';

const TABLE = 'listener-insecure';

/** What is published and what listeners lead to, of a table with so many hosts and a wildcard. */
function formsOf(hosts: number) {
  const pipeline = new Pipeline({ settings: DEFAULT_SETTINGS, ports: PORTS, asOf: new Date() });
  const backend = { service: { name: 'web', port: { number: 80 } } };
  const names = ['*.wild.test', ...Array.from({ length: hosts - 1 }, (_, index) => `host-${index}.test`)];
  const rules = names.map((host) => ({ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }));
  const { upserts } = pipeline.apply({
    upserts: [serviceObject({ ports: [{ port: 80 }] }), ingressObject({ ingressClassName: 'cilium', rules })],
    removals: [],
  });
  return { published: describeForms(upserts), ledTo: describeForms(pipeline.resources()) };
}

function describeForms(resources: readonly ResourceName[]) {
  const has = (typeUrl: string, name: string) => resources.some((resource) => resource.typeUrl === typeUrl && resource.name === name);
  return {
    whole: has(ROUTES, TABLE),
    divided: has(ROUTES, `${TABLE}/wildcards`) && has(SCOPED_ROUTES, `${TABLE}/host-0.test`),
    keeper: has(LISTENER, SCOPE_KEEPER),
  };
}

const BOTH = { whole: true, divided: true, keeper: true };

test('near the limit a route table is published in both forms, and listeners lead to one', () => {
  assert.deepEqual(formsOf(10), { published: BOTH, ledTo: { whole: true, divided: false, keeper: false } });
  assert.deepEqual(formsOf(300), { published: BOTH, ledTo: { whole: false, divided: true, keeper: false } });
});

test('far beyond it only the divided form is there', () => {
  const { published, ledTo } = formsOf(600);
  assert.deepEqual(published, { whole: false, divided: true, keeper: true });
  assert.deepEqual(ledTo, { whole: false, divided: true, keeper: false });
});
