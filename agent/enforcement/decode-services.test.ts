import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { translateService, translateSlice } from '../../controller/enforcement/services.ts';
import { translateServices } from '../../service-translation/index.ts';
import { worlds } from '../../service-translation/testing/random-services.ts';
import { endpointSliceObject, serviceObject } from '../../testkit/kube-objects.ts';
import type { Resource } from '../../xds-server/serve/index.ts';
import { decodeService, decodeSlice } from './decode-services.ts';
import { EnforcementError } from './enforcement-error.ts';

const CLIENTS = ['10.0.0.0/16', 'fd00::/64'];
const PORT = { port: 80 };

function read<T>(resource: Resource | undefined, decode: (name: string, body: Uint8Array) => T): T[] {
  return resource ? [decode(resource.name, resource.body)] : [];
}

describe('what a node is told of Services', () => {
  test('comes to the same translations and findings as the objects themselves', () => {
    fc.assert(
      fc.property(worlds, ({ services, slices, node }) => {
        const objects = services.map(({ metadata, spec, status }) => serviceObject(spec, metadata, status));
        const sliceObjects = slices.map(({ metadata, ...content }) => endpointSliceObject(content, metadata));
        const clients = { ...node, clients: CLIENTS };
        const told = translateServices(
          objects.flatMap((object) => read(translateService(object), decodeService)),
          sliceObjects.flatMap((object) => read(translateSlice(object), decodeSlice)),
          clients,
        );
        assert.deepEqual(told, translateServices(objects, sliceObjects, clients));
      }),
      { numRuns: 300 },
    );
  });

  test('says who gets endpoints of all nodes, which is not so where nobody says it', () => {
    const policyOf = (spec: object) =>
      read(translateService(serviceObject({ clusterIPs: ['10.96.0.1'], ports: [PORT], ...spec })), decodeService)[0]?.spec
        .externalTrafficPolicy;
    assert.deepEqual([policyOf({}), policyOf({ externalTrafficPolicy: 'Local' })], ['Cluster', 'Local']);
    assert.equal(decodeService('default/web', new Uint8Array()).spec.externalTrafficPolicy, 'Local');
  });

  const untold = {
    'a headless one': serviceObject({ clusterIP: 'None', clusterIPs: ['None'], ports: [PORT] }),
    'one without an address yet': serviceObject({ ports: [PORT] }),
    'a name of something outside': serviceObject({ type: 'ExternalName', externalName: 'example.com', clusterIPs: ['10.96.0.1'] }),
    "another proxy's": serviceObject(
      { clusterIPs: ['10.96.0.1'], ports: [PORT] },
      { labels: { 'service.kubernetes.io/service-proxy-name': 'other' } },
    ),
  };
  for (const [what, service] of Object.entries(untold))
    test(`is nothing of ${what}`, () => assert.equal(translateService(service), undefined));

  test('is nothing of slices of headless Services, of names and of nobody', () => {
    const labels = { 'kubernetes.io/service-name': 'web' };
    const content = { ports: [PORT], endpoints: [{ addresses: ['10.0.0.1'] }] };
    assert.equal(translateSlice(endpointSliceObject(content, { labels }))?.name, 'default/web-1');
    assert.equal(translateSlice(endpointSliceObject(content, { labels: { ...labels, 'service.kubernetes.io/headless': '' } })), undefined);
    assert.equal(translateSlice(endpointSliceObject({ ...content, addressType: 'FQDN' }, { labels })), undefined);
    assert.equal(translateSlice(endpointSliceObject(content)), undefined);
  });

  test('is refused with its name where it means nothing', () => {
    assert.throws(() => decodeService('web', new Uint8Array()), { code: 'malformed', message: 'web: the name is not namespace/name' });
    // ports { port: 80 }, without a protocol
    const noProtocol = Uint8Array.of(0x2a, 0x02, 0x18, 80);
    assert.throws(() => decodeService('default/web', noProtocol), { message: 'default/web: 0 is no protocol of a Service' });
    // ports { protocol: 6, port: 65536 }
    const highPort = Uint8Array.of(0x1a, 0x06, 0x10, 6, 0x18, 0x80, 0x80, 0x04);
    assert.throws(() => decodeSlice('default/web-1', highPort), { message: 'default/web-1: 65536 is no port' });
  });

  test('is read or refused, whatever the bytes are, and nothing else happens', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(decodeService, decodeSlice), (bytes, decode) => {
        try {
          decode('default/web', bytes);
        } catch (error) {
          assert.ok(error instanceof EnforcementError, String(error));
        }
      }),
      { numRuns: 5_000 },
    );
  });
});
