import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';
import { Netfilter } from '../netlink/index.ts';
import { changedMarkBits } from './mark-bits.ts';

enterOwnNetwork();

const RULES = {
  'meta mark & 0xf00 == 0x200 accept': 0,
  'meta mark set 0x1': 0xffff_ffff,
  'meta mark set meta mark & 0xfff0ffff': 0x000f_0000,
  'meta mark set meta mark | 0x4000': 0x4000,
  'meta mark set meta mark xor 0x8000': 0x8000,
  'meta mark set meta mark & 0xffff3fff | 0x4000': 0xc000,
  'meta mark set ct mark': 0xffff_ffff,
  'ct mark set meta mark': 0,
} as const;

describe('which bits of marks rules change', needs('root', 'netns'), () => {
  for (const [rule, bits] of Object.entries(RULES)) {
    test(rule, () => {
      const script = `table ip t {\n chain c {\n ${rule}\n }\n}`;
      execFileSync('nft', ['-f', '-'], { input: script, stdio: ['pipe', 'ignore', 'inherit'] });
      try {
        using netfilter = Netfilter.open();
        assert.deepEqual(netfilter.rulesOf({ family: 'ip', table: 't' }).map(changedMarkBits), [bits]);
      } finally {
        execFileSync('nft', ['flush', 'ruleset']);
      }
    });
  }
});

/** As the kernel has targets of iptables: their names, and what `struct xt_mark_tginfo2` and `xt_connmark_tginfo1` hold. */
const TARGETS = [
  { rule: 'MARK --set-xmark 0x0/0xf0000', name: 'MARK', info: ['00000000', '00000f00'], bits: 0x000f_0000 },
  { rule: 'MARK --or-mark 0x4000', name: 'MARK', info: ['00400000', '00400000'], bits: 0x4000 },
  { rule: 'MARK --xor-mark 0x10000', name: 'MARK', info: ['00000100', '00000000'], bits: 0x1_0000 },
  { rule: 'CONNMARK --restore-mark 0x80', name: 'CONNMARK', info: ['00000000', '80000000', '80000000', '02'], bits: 0x80 },
  { rule: 'CONNMARK --save-mark', name: 'CONNMARK', info: ['00000000', 'ffffffff', 'ffffffff', '01'], bits: 0 },
  { rule: 'LOG', name: 'LOG', info: ['ffffffff'], bits: 0 },
] as const;

for (const { rule, name, info, bits } of TARGETS) {
  test(`which bits of marks iptables changes: ${rule}`, () => {
    const target = `target(1=${Buffer.from(`${name}\0`).toString('hex')} 2=00000002 3=${info.join('')})`;
    assert.equal(changedMarkBits(['counter(1=0000000000000000 2=0000000000000000)', target]), bits);
  });
}
