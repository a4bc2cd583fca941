import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ingressObject, serviceObject } from '../../testkit/kube-objects.ts';
import { addressesOf, compareStatus, tellsAddressesOf } from './status.ts';

const told = (ingress: readonly object[]) => ({ loadBalancer: { ingress } });
const IP = { ip: '192.0.2.1' };
const NAME = { hostname: 'lb.test' };
const PORTS = [{ port: 80, protocol: 'TCP' }];

describe('the addresses of a Service', () => {
  const cases: readonly (readonly [name: string, status: object | undefined, expected: readonly object[]])[] = [
    ['none without a status', undefined, []],
    ['none without a load balancer', { loadBalancer: {} }, []],
    ['an address, without its mode', told([{ ...IP, ipMode: 'VIP' }]), [IP]],
    ['a name', told([{ ...NAME, ip: '' }]), [NAME]],
    ['both, in order', told([NAME, IP]), [NAME, IP]],
    ['ports', told([{ ...IP, ports: PORTS }]), [{ ...IP, ports: PORTS }]],
    ['no empty list of ports', told([{ ...IP, ports: [] }]), [IP]],
    [
      'errors of ports',
      told([{ ...IP, ports: [{ port: 80, protocol: 'TCP', error: 'NoPort' }] }]),
      [{ ...IP, ports: [{ port: 80, protocol: 'TCP', error: 'NoPort' }] }],
    ],
  ];
  for (const [name, status, expected] of cases) {
    it(`are ${name}`, () => assert.deepEqual(addressesOf(serviceObject({}, {}, status)), expected));
  }

  it('are none where there is no Service', () => assert.deepEqual(addressesOf(undefined), []));
});

describe('the status of an Ingress', () => {
  const cases: readonly (readonly [name: string, status: object | undefined, wanted: readonly object[], isSet: boolean])[] = [
    ['is set', undefined, [IP], true],
    ['is as wanted', told([IP]), [IP], false],
    ['is as wanted but for what only Services have', told([{ ...IP, ports: [] }]), [IP], false],
    ['is another', told([IP]), [NAME], true],
    ['has another order', told([IP, NAME]), [NAME, IP], true],
    ['lacks ports', told([IP]), [{ ...IP, ports: PORTS }], true],
    ['is emptied', told([IP]), [], true],
    ['is empty', { loadBalancer: {} }, [], false],
    ['is absent', undefined, [], false],
  ];
  for (const [name, status, wanted, isSet] of cases) {
    it(`${name}: ${isSet ? 'an action' : 'none'}`, () => {
      const action = compareStatus(ingressObject({}, { uid: 'u1' }, status), wanted);
      const expected = {
        kind: 'status',
        ref: { kind: 'Ingress', namespace: 'default', name: 'web' },
        manifest: {
          apiVersion: 'networking.k8s.io/v1',
          kind: 'Ingress',
          metadata: { name: 'web', namespace: 'default' },
          status: { loadBalancer: { ingress: wanted } },
        },
        uid: 'u1',
      };
      assert.deepEqual(action, isSet ? expected : undefined);
    });
  }

  it('of one in a file is not set', () => assert.equal(compareStatus(ingressObject({}), [IP]), undefined));

  const comparisons: readonly (readonly [ofIngress: readonly object[], ofService: readonly object[], expected: boolean])[] = [
    [[IP], [{ ...IP, ipMode: 'VIP' }], true],
    [[IP], [NAME], false],
    [[IP], [IP, NAME], false],
    [[], [], false],
  ];
  for (const [ofIngress, ofService, expected] of comparisons) {
    it(`${JSON.stringify(ofIngress)} ${expected ? 'tells' : 'does not tell'} ${JSON.stringify(ofService)}`, () => {
      assert.equal(tellsAddressesOf(ingressObject({}, {}, told(ofIngress)), serviceObject({}, {}, told(ofService))), expected);
    });
  }
});
