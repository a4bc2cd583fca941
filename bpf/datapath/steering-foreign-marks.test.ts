import { execFileSync } from 'node:child_process';
import { before } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { testTalks } from './testing/steered-talks.ts';

// As where a network plugin has bits of marks for itself, and clears them on the way out: Calico does so with 0xffff0000.

const RULES = `table inet foreign {
  chain mangle {
    type filter hook postrouting priority mangle;
    meta mark and 0x10000 == 0 meta mark set meta mark and 0xfff0ffff
  }
}`;

enterOwnNamespaces();

before(() => {
  if (needs('root', 'netns').skip === false) execFileSync('nft', ['-f', '-'], { input: RULES });
});

testTalks('routed');
