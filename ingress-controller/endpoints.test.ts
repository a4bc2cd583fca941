import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPath } from '../model/index.ts';
import { endpointSliceObject, serviceObject } from '../testkit/kube-objects.ts';
import { ingestEndpoints } from './endpoints.ts';

const HTTP = [{ name: 'http', port: 8080 }];
const SERVICE = serviceObject({
  ports: [
    { name: 'http', port: 80 },
    { name: 'admin', port: 81 },
  ],
});

interface SliceInput {
  readonly name?: string;
  readonly addressType?: string;
  readonly ports?: unknown;
}

function slice(endpoints: readonly unknown[], { name = 'web-1', ...rest }: SliceInput = {}) {
  return endpointSliceObject({ ports: HTTP, ...rest, endpoints }, { name });
}

function at(address: string, conditions?: unknown) {
  return { addresses: [address], ...(conditions !== undefined && { conditions }) };
}

function addresses(slices: readonly ReturnType<typeof slice>[], service = SERVICE, port = 80) {
  return ingestEndpoints(service, port, slices).endpoints.endpoints.map(({ address, port: number }) => `${address} ${number}`);
}

const READY = { ready: true };
const DRAINING = { ready: false, serving: true, terminating: true };
const GONE = { ready: false, serving: false, terminating: true };
const UNREADY = { ready: false, serving: false, terminating: false };

describe('endpoints', () => {
  it('come from all slices, sorted and without duplicates, under the name of the Service port', () => {
    const slices = [slice([at('10.0.0.2'), at('10.0.0.1')], { name: 'web-2' }), slice([at('10.0.0.1'), at('10.0.0.10')])];
    const expected = {
      name: 'default/web:80',
      endpoints: ['10.0.0.1', '10.0.0.10', '10.0.0.2'].map((address) => ({ address, port: 8080 })),
      sources: ['web-1', 'web-2'].map((name) => ({ object: { kind: 'EndpointSlice', namespace: 'default', name }, path: [] })),
    };
    assert.deepEqual(ingestEndpoints(SERVICE, 80, slices), { endpoints: expected, diagnostics: [] });
    assert.deepEqual(ingestEndpoints(SERVICE, 80, slices.toReversed()), { endpoints: expected, diagnostics: [] });
  });

  it('are none without slices', () => {
    assert.deepEqual(ingestEndpoints(SERVICE, 80, []).endpoints, { name: 'default/web:80', endpoints: [], sources: [] });
  });

  const conditions: readonly (readonly [name: string, endpoints: readonly unknown[], expected: readonly string[]])[] = [
    ['ready where nothing is said', [at('10.0.0.1'), at('10.0.0.2', {})], ['10.0.0.1 8080', '10.0.0.2 8080']],
    ['not those that are unready', [at('10.0.0.1', READY), at('10.0.0.2', UNREADY)], ['10.0.0.1 8080']],
    ['not those that go away while one is ready', [at('10.0.0.1', READY), at('10.0.0.2', DRAINING)], ['10.0.0.1 8080']],
    ['those that go away if none is ready', [at('10.0.0.1', UNREADY), at('10.0.0.2', DRAINING), at('10.0.0.3', GONE)], ['10.0.0.2 8080']],
    ['none if all are unready', [at('10.0.0.1', UNREADY), at('10.0.0.2', GONE)], []],
    ['one for an endpoint with several addresses', [{ addresses: ['10.0.0.1', '10.0.0.9'] }], ['10.0.0.1 8080']],
  ];
  for (const [name, endpoints, expected] of conditions) {
    it(`are ${name}`, () => {
      assert.deepEqual(addresses([slice(endpoints)]), expected);
    });
  }

  it('that go away in one slice give way to ready ones in another', () => {
    assert.deepEqual(addresses([slice([at('10.0.0.1', DRAINING)]), slice([at('10.0.0.2')], { name: 'web-2' })]), ['10.0.0.2 8080']);
  });

  it('have the port of the same name, whatever its number in each slice', () => {
    const slices = [
      slice([at('10.0.0.1')], {
        ports: [
          { name: 'admin', port: 9000 },
          { name: 'http', port: 8080 },
        ],
      }),
      slice([at('10.0.0.2')], { name: 'web-2', ports: [{ name: 'http', port: 8081 }] }),
    ];
    assert.deepEqual(addresses(slices), ['10.0.0.1 8080', '10.0.0.2 8081']);
    assert.deepEqual(addresses(slices, SERVICE, 81), ['10.0.0.1 9000']);
    assert.deepEqual(addresses(slices, SERVICE, 82), []);
  });

  it('have the port without a name where the Service port has none', () => {
    const service = serviceObject({ ports: [{ port: 80 }] });
    assert.deepEqual(
      addresses(
        [
          slice([at('10.0.0.1')], {
            ports: [
              { name: '', port: 8080 },
              { name: 'x', port: 1 },
            ],
          }),
        ],
        service,
      ),
      ['10.0.0.1 8080'],
    );
    assert.deepEqual(addresses([slice([at('10.0.0.1')], { ports: [{ port: 8080 }] })], service), ['10.0.0.1 8080']);
  });

  it('have no port that is UDP or not said', () => {
    const ports = [{ name: 'http', port: 8080, protocol: 'UDP' }, { name: 'http' }];
    assert.deepEqual(addresses([slice([at('10.0.0.1')], { ports })]), []);
  });
});

describe('address families', () => {
  const v4 = slice([at('10.0.0.1')]);
  const v6 = slice([at('fd00::1')], { name: 'web-6', addressType: 'IPv6' });
  const drainingV4 = slice([at('10.0.0.1', DRAINING)]);
  const cases: readonly (readonly [
    families: readonly string[],
    slices: readonly ReturnType<typeof slice>[],
    expected: readonly string[],
  ])[] = [
    [[], [v4, v6], ['10.0.0.1 8080', 'fd00::1 8080']],
    [['IPv4', 'IPv6'], [v4, v6], ['10.0.0.1 8080']],
    [['IPv6', 'IPv4'], [v4, v6], ['fd00::1 8080']],
    [['IPv6', 'IPv4'], [v4], ['10.0.0.1 8080']],
    [['IPv4', 'IPv6'], [drainingV4, v6], ['fd00::1 8080']],
    [['IPv6'], [v4], []],
  ];
  for (const [ipFamilies, slices, expected] of cases) {
    it(`[${ipFamilies.join(', ')}] of ${slices.map(({ addressType }) => addressType).join(' and ')} gives [${expected.join(', ')}]`, () => {
      const service = serviceObject({ ports: [{ name: 'http', port: 80 }], ipFamilies });
      assert.deepEqual(addresses(slices, service), expected);
    });
  }

  it('FQDN is told and not used', () => {
    const { endpoints, diagnostics } = ingestEndpoints(SERVICE, 80, [slice([at('a.example')], { addressType: 'FQDN' })]);
    assert.deepEqual(endpoints.endpoints, []);
    assert.deepEqual(
      diagnostics.map(({ code, path }) => [code, formatPath(path)]),
      [['InvalidEndpoint', 'addressType']],
    );
  });
});

describe('addresses', () => {
  it('of IPv6 are written in one way', () => {
    const slices = [slice([at('FD00:0:0::0001'), at('fd00::1'), at('2001:db8:0:0:1:0:0:1')], { addressType: 'IPv6' })];
    assert.deepEqual(addresses(slices), ['2001:db8::1:0:0:1 8080', 'fd00::1 8080']);
  });

  it('on loopback are fine', () => {
    assert.deepEqual(addresses([slice([at('127.0.0.1')])]), ['127.0.0.1 8080']);
    assert.deepEqual(addresses([slice([at('::1')], { addressType: 'IPv6' })]), ['::1 8080']);
  });

  const refused: readonly (readonly [string, string])[] = [
    ...[
      '256.0.0.1',
      '10.0.0',
      '010.0.0.1',
      'web',
      '',
      '10.0.0.1:80',
      'fd00::1',
      '0.0.0.0',
      '169.254.169.254',
      '224.0.0.1',
      '239.1.1.1',
    ].map((address) => ['IPv4', address] as const),
    ...['10.0.0.1', 'fd00::1%eth0', '[fd00::1]', 'fd00::1::2', '::', 'fe80::1', 'ff02::1', '::ffff:10.0.0.1'].map(
      (address) => ['IPv6', address] as const,
    ),
  ];
  for (const [addressType, address] of refused) {
    it(`${JSON.stringify(address)} as ${addressType} is left out alone`, () => {
      const good = addressType === 'IPv4' ? '10.0.0.7' : 'fd00::7';
      const { endpoints, diagnostics } = ingestEndpoints(SERVICE, 80, [slice([at(address), at(good)], { addressType })]);
      assert.deepEqual(endpoints.endpoints, [{ address: good, port: 8080 }]);
      assert.deepEqual(
        diagnostics.map(({ code, severity, path }) => [code, severity, formatPath(path)]),
        [['InvalidEndpoint', 'warning', 'endpoints[0].addresses[0]']],
      );
    });
  }
});

describe('a Service port without a name', () => {
  const unnamed = serviceObject({ ports: [{ port: 80 }] });
  const named = { ports: [{ name: 'web', port: 8080 }] };
  const cases: readonly (readonly [
    name: string,
    slices: readonly ReturnType<typeof slice>[],
    found: readonly string[],
    codes: readonly string[],
  ])[] = [
    ['has the endpoints of a slice whose port has none', [slice([at('10.0.0.1')], { ports: [{ port: 8080 }] })], ['10.0.0.1 8080'], []],
    ['has none where all ports have names', [slice([at('10.0.0.1')], named)], [], ['PortNameMismatch']],
    [
      'has them if one slice says so',
      [slice([at('10.0.0.1')], named), slice([at('10.0.0.2')], { name: 'b', ports: [{ port: 1 }] })],
      ['10.0.0.2 1'],
      [],
    ],
    ['is not told of an empty slice', [slice([], named)], [], []],
    ['is not told of a slice without ports', [slice([at('10.0.0.1')], { ports: [] })], [], []],
    ['is told of endpoints that are not ready, too', [slice([at('10.0.0.1', UNREADY)], named)], [], ['PortNameMismatch']],
    [
      'is told once of several slices',
      [slice([at('10.0.0.1')], named), slice([at('10.0.0.2')], { ...named, name: 'b' })],
      [],
      ['PortNameMismatch'],
    ],
  ];
  for (const [name, slices, found, codes] of cases) {
    it(name, () => {
      const { endpoints, diagnostics } = ingestEndpoints(unnamed, 80, slices);
      assert.deepEqual(
        endpoints.endpoints.map(({ address, port }) => `${address} ${port}`),
        found,
      );
      assert.deepEqual(
        diagnostics.map(({ code }) => code),
        codes,
      );
    });
  }

  it('is told nothing of where its port has a name', () => {
    const misnamed = slice([at('10.0.0.1')], { ports: [{ name: 'other', port: 8080 }] });
    assert.deepEqual(ingestEndpoints(SERVICE, 80, [misnamed]).diagnostics, []);
  });
});

describe('endpoints with both families', () => {
  const of = (name: string, address: string) => ({ ...at(address), targetRef: { kind: 'Pod', name } });
  const paired = (slices: readonly ReturnType<typeof slice>[], ipFamilies: readonly string[] = []) => {
    const service = serviceObject({ ports: [{ name: 'http', port: 80 }], ipFamilies });
    return ingestEndpoints(service, 80, slices, { withBothFamilies: true }).endpoints.endpoints.map(
      ({ address, otherAddress, port }) => `${address} ${otherAddress} ${port}`,
    );
  };
  const IPV4 = slice([of('a', '10.0.0.1'), of('b', '10.0.0.2')]);
  const IPV6 = slice([of('a', 'fd00::1'), of('c', 'fd00::3')], { name: 'web-2', addressType: 'IPv6' });

  it('are each a server once, by its name', () => {
    const wanted = ['10.0.0.1 fd00::1 8080', '10.0.0.2 undefined 8080', 'fd00::3 undefined 8080'];
    assert.deepEqual(paired([IPV4, IPV6]), wanted);
    assert.deepEqual(paired([IPV6, IPV4]), wanted);
  });

  it('begin with the first family of the Service', () => {
    assert.deepEqual(paired([IPV4, IPV6], ['IPv6', 'IPv4']), [
      '10.0.0.2 undefined 8080',
      'fd00::1 10.0.0.1 8080',
      'fd00::3 undefined 8080',
    ]);
  });

  it('are those of one family where nobody says whose they are', () => {
    const slices = [slice([at('10.0.0.1')]), slice([at('fd00::1')], { name: 'web-2', addressType: 'IPv6' })];
    assert.deepEqual(paired(slices, ['IPv4', 'IPv6']), ['10.0.0.1 undefined 8080']);
  });
});
