import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import type { Route } from '@sluice/envoy-protos/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import type { Ingress } from '../kube/index.ts';
import { DEFAULT_SETTINGS } from '../settings/index.ts';
import { PORTS } from '../testkit/ingress-world.ts';
import { ingressObject, serviceObject } from '../testkit/kube-objects.ts';
import type { ResourceChange } from '../xds-server/serve/resource.ts';
import { ROUTES } from '../xds-server/translate/types.ts';
import { Pipeline } from './pipeline/pipeline.ts';
import { RouteQuarantine } from './route-quarantine.ts';

const TABLE = 'listener-insecure';

/** An Ingress with a host of its name. The client below refuses paths that begin with `/bad`. */
function ingress(name: string, path: string): Ingress {
  const backend = { service: { name: 'web', port: { number: 80 } } };
  const rules = [{ host: `${name}.test`, http: { paths: [{ path, pathType: 'Exact', backend }] } }];
  return ingressObject({ ingressClassName: 'cilium', rules }, { name });
}

/** The pipeline and the quarantine, with a client that takes or refuses route configurations as a whole, as Envoy does. */
class Scene {
  readonly pipeline = new Pipeline({ settings: DEFAULT_SETTINGS, ports: PORTS, asOf: new Date(0) });
  readonly quarantine = new RouteQuarantine(this.pipeline);
  /** By host: what the client serves, a path or a status. */
  readonly served = new Map<string, string>();
  /** What was served at any time, as `host what`. */
  readonly everServed = new Set<string>();
  exchanges = 0;
  #held = '';

  constructor() {
    this.apply({ upserts: [serviceObject({ ports: [{ port: 80 }] })], removals: [] });
  }

  write(...ingresses: readonly Ingress[]): void {
    this.apply({ upserts: ingresses, removals: [] });
  }

  apply(batch: Parameters<Pipeline['apply']>[0]): void {
    this.take(this.pipeline.apply(batch));
  }

  /** Goes on until the client has nothing more to say. */
  take(change: ResourceChange): void {
    const changes = [change];
    for (let next = changes.shift(); next; next = changes.shift()) changes.push(...this.#exchange(next));
  }

  findings(): readonly string[] {
    return this.quarantine
      .diagnostics()
      .map(({ object, code }) => `${object?.name} ${code}`)
      .sort();
  }

  #exchange({ upserts }: ResourceChange): readonly ResourceChange[] {
    const shard = upserts.find(({ typeUrl, name }) => typeUrl === ROUTES && name === TABLE);
    // Nothing is sent that the client has.
    if (!shard || shard.version === this.#held) return [];
    this.exchanges += 1;
    const { virtualHosts } = fromBinary(RouteConfigurationSchema, shard.body);
    const serves = new Map(virtualHosts.map(({ name, routes }) => [name, routes.map(describeRoute).join()]));
    const isRefused = [...serves.values()].some((routes) => routes.includes('/bad'));
    if (!isRefused) {
      this.#held = shard.version;
      this.served.clear();
      for (const [host, routes] of serves) {
        this.served.set(host, routes);
        this.everServed.add(`${host} ${routes}`);
      }
    }
    const verdict = isRefused ? ({ outcome: 'nack', message: 'refused' } as const) : ({ outcome: 'ack', message: '' } as const);
    return this.quarantine.note({ nodeId: 'node', typeUrl: ROUTES, name: TABLE, version: shard.version, removed: false, ...verdict });
  }
}

function describeRoute({ match, action }: Route): string {
  return action.case === 'route' ? String(match?.pathSpecifier.value) : String(action.case);
}

const NAMES = Array.from({ length: 9 }, (_, index) => `host-${index}`);

describe('the quarantine of routes', () => {
  test('takes out the one that is refused, and what was good before stays in its place', () => {
    const scene = new Scene();
    scene.write(...NAMES.map((name) => ingress(name, '/old')));
    scene.write(ingress('host-0', '/new'), ingress('host-1', '/bad'));
    assert.deepEqual([scene.served.get('host-0.test'), scene.served.get('host-1.test')], ['/new', '/old']);
    assert.deepEqual(scene.findings(), ['host-1 RejectedByEnvoy']);
  });

  test('a host without a good version is answered for with an error, not left to a wildcard', () => {
    const scene = new Scene();
    scene.write(ingress('host-0', '/bad'));
    assert.equal(scene.served.get('host-0.test'), 'directResponse');
    assert.deepEqual(scene.findings(), ['host-0 RejectedByEnvoy']);
  });

  for (const guilty of [['host-0'], ['host-8'], ['host-3', 'host-4'], ['host-0', 'host-4', 'host-8'], NAMES]) {
    test(`finds ${guilty.join(' and ')} among nine that change at once`, () => {
      const scene = new Scene();
      scene.write(...NAMES.map((name) => ingress(name, '/old')));
      const before = scene.exchanges;
      scene.write(...NAMES.map((name) => ingress(name, guilty.includes(name) ? '/bad' : '/new')));
      const expected = NAMES.map((name) => [`${name}.test`, guilty.includes(name) ? '/old' : '/new']);
      assert.deepEqual([...scene.served], expected);
      assert.deepEqual(
        scene.findings(),
        guilty.map((name) => `${name} RejectedByEnvoy`),
      );
      assert.ok(scene.exchanges - before <= 2 + 8 * guilty.length, `${scene.exchanges - before} exchanges`);
      assert.ok(![...scene.everServed].some((served) => served.includes('directResponse')), 'nobody was answered with an error meanwhile');
    });
  }

  test('ends when the host changes, and neighbours are updated all the while', () => {
    const scene = new Scene();
    scene.write(...NAMES.map((name) => ingress(name, '/old')));
    scene.write(ingress('host-1', '/bad'));
    scene.write(ingress('host-2', '/new'));
    assert.deepEqual([scene.served.get('host-1.test'), scene.served.get('host-2.test')], ['/old', '/new']);
    scene.write(ingress('host-1', '/bad-too'));
    assert.deepEqual([scene.served.get('host-1.test'), scene.findings()], ['/old', ['host-1 RejectedByEnvoy']]);
    scene.write(ingress('host-1', '/right'));
    assert.deepEqual([scene.served.get('host-1.test'), scene.findings()], ['/right', []]);
  });

  test('what is removed is told of no more', () => {
    const scene = new Scene();
    scene.write(ingress('host-0', '/bad'), ingress('host-1', '/old'));
    scene.apply({ upserts: [], removals: [{ kind: 'Ingress', namespace: 'default', name: 'host-0' }] });
    assert.deepEqual([[...scene.served], scene.findings()], [[['host-1.test', '/old']], []]);
  });

  test('of hosts that wait for their trial none is forgotten when another changes', () => {
    const scene = new Scene();
    scene.write(...NAMES.map((name) => ingress(name, '/old')));
    const change = scene.pipeline.apply({ upserts: NAMES.map((name) => ingress(name, name === 'host-0' ? '/bad' : '/new')), removals: [] });
    const version = change.upserts.find(({ typeUrl }) => typeUrl === ROUTES)?.version ?? '';
    scene.quarantine.note({ nodeId: 'node', typeUrl: ROUTES, name: TABLE, version, removed: false, outcome: 'nack', message: 'refused' });
    // Half of them wait now. Before the client has said anything more, one of those is changed.
    scene.write(ingress('host-8', '/newer'));
    assert.deepEqual([...scene.served.values()], ['/old', ...new Array(7).fill('/new'), '/newer']);
  });
});
