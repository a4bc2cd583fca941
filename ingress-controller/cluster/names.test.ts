import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dedicatedName, sliceName } from './names.ts';

describe('the Service of an Ingress', () => {
  // Those of long names are what Cilium's shortener gives.
  const cases: readonly (readonly [ingress: string, service: string])[] = [
    ['web', 'cilium-ingress-web'],
    ['a'.repeat(48), `cilium-ingress-${'a'.repeat(48)}`],
    ['a'.repeat(49), `cilium-ingress-${'a'.repeat(37)}-2d4gfc4cf2`],
    ['a'.repeat(253), `cilium-ingress-${'a'.repeat(37)}-ft6dfhtk5t`],
    [`${'a'.repeat(60)}.b`, `cilium-ingress-${'a'.repeat(37)}-dfbtm955kt`],
    ['shop.example.com', 'cilium-ingress-shop-example-com-25kd957cd8'],
    [`${'a.'.repeat(40)}b`, `cilium-ingress-${'a-'.repeat(40).slice(0, 37)}-hhtdm6h4tm`],
  ];
  for (const [ingress, service] of cases) {
    it(`${ingress} is ${service}`, () => {
      assert.equal(dedicatedName(ingress), service);
      assert.match(service, /^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/);
    });
  }

  it('is another for another name', () => {
    const names = ['a.b', 'a-b', 'a.b.', 'x'.repeat(50), 'x'.repeat(51), `${'x'.repeat(60)}.a`, `${'x'.repeat(60)}.b`];
    assert.equal(new Set(names.map(dedicatedName)).size, names.length);
  });
});

describe('the EndpointSlices of a Service', () => {
  const cases: readonly (readonly [addressType: 'IPv4' | 'IPv6', part: string, expected: RegExp])[] = [
    ['IPv4', '', /^web$/],
    ['IPv4', '1', /^web-1-[a-z0-9]{10}$/],
    ['IPv4', '01', /^web-01-[a-z0-9]{10}$/],
    ['IPv6', '', /^web-ipv6-[a-z0-9]{10}$/],
    ['IPv6', '1', /^web-ipv6-1-[a-z0-9]{10}$/],
  ];
  for (const [addressType, part, expected] of cases) {
    it(`part '${part}' for ${addressType} is ${expected}`, () => assert.match(sliceName('web', addressType, part), expected));
  }

  it('are not those of another', () => assert.notEqual(sliceName('web', 'IPv6', '1'), sliceName('web-ipv6', 'IPv4', '1')));
});
