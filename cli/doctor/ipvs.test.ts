import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkIpvs } from './ipvs.ts';

/** As Linux has them, with an address of either family, one by a mark, and one of UDP. */
const TABLE = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A600007:0050 rr 
  -> 0A000002:1F90      Masq    1      0          0         
TCP  [fd00:0096:0000:0000:0000:0000:0000:0007]:0050 rr
UDP  0A60000A:0035 rr 
FWM  00000001 rr 
`;
const EMPTY = TABLE.split('\n').slice(0, 3).join('\n');
const DEVICES = `Inter-|   Receive
 face |bytes
    lo: 5 1
`;

for (const [what, table, devices, taken, expected, found] of [
  ['the kernel has no IPVS', undefined, DEVICES, [['10.96.0.7', 80]], 'ok', /no Services/],
  ['IPVS has nothing', EMPTY, DEVICES, [['10.96.0.7', 80]], 'ok', /no Services/],
  ['IPVS has Services, and no listener has any', TABLE, DEVICES, [], 'warning', /^IPVS has 2 Services of TCP$/],
  ['kube-proxy is in mode ipvs', EMPTY, `${DEVICES}kube-ipvs0: 0 0\n`, [], 'warning', /^kube-proxy is in mode ipvs/],
  [
    'a listener takes others than IPVS',
    TABLE,
    DEVICES,
    [
      ['10.96.0.7', 443],
      ['10.96.0.10', 53],
      ['10.0.0.2', 8080],
      ['fd00:96::8', 80],
    ],
    'warning',
    /Services of TCP/,
  ],
  ['a listener takes one that IPVS has', TABLE, DEVICES, [['10.96.0.7', 80]], 'failed', /^IPVS has 10\.96\.0\.7:80, which/],
  ['a listener takes one of IPv6 that IPVS has', TABLE, DEVICES, [['fd00:96::7', 80]], 'failed', /^IPVS has \[fd00:96::7\]:80, which/],
] as const) {
  test(`where ${what}: ${expected}`, () => {
    const files: Readonly<Record<string, string | undefined>> = { '/proc/net/ip_vs': table, '/proc/net/dev': devices };
    const result = checkIpvs({ read: (path) => files[path] }, () => taken.map(([address, port]) => ({ address, port })));
    assert.equal(result.result, expected);
    assert.match(result.found, found);
    assert.equal(result.todo?.includes('configmap kube-proxy'), expected === 'ok' ? undefined : true);
  });
}
