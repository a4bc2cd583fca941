import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PodEndpoint } from '../../model/index.ts';
import { type DevicesState, NO_DEVICES } from '../pods/index.ts';
import { DepartedPods } from './departed-pods.ts';

function device(ifindex: number, ...addresses: readonly string[]) {
  return { ifindex, name: `veth${ifindex}`, namespace: 1, mac: undefined, addresses: [...addresses, 'fe80::1'] };
}

function pod(ifindex: number, ...addresses: readonly string[]): DevicesState['pods'][number] {
  const name = `pod-${addresses[0]}`;
  const endpoint: PodEndpoint = { pod: { kind: 'Pod', namespace: 'shop', name }, uid: name, node: 'n1', addresses, identity: 300 };
  return { ...device(ifindex, ...addresses), endpoint };
}

const BOTH = ['10.0.0.1', 'fd00::1'] as const;

describe('pods that are gone', () => {
  const STEPS: readonly [what: string, states: readonly Partial<DevicesState>[], gone: readonly string[]][] = [
    ['are told of when their devices are', [{ pods: [pod(5, ...BOTH), pod(6, '10.0.0.2')] }, { pods: [pod(6, '10.0.0.2')] }], BOTH],
    ['are told of once', [{ pods: [pod(5, ...BOTH)] }, {}, {}], []],
    ['are told of also where nobody told of them last', [{ pods: [pod(5, ...BOTH)] }, { strangers: [device(5, ...BOTH)] }, {}], BOTH],
    ['are not those who are not known any more', [{ pods: [pod(5, ...BOTH)] }, { strangers: [device(5, ...BOTH)] }], []],
    ['are not those who never were pods', [{ strangers: [device(5, ...BOTH)] }, {}], []],
    ['have no address that another has', [{ pods: [pod(5, ...BOTH)] }, { strangers: [device(7, BOTH[0])] }], [BOTH[1]]],
  ];
  for (const [what, states, gone] of STEPS) {
    test(what, () => {
      const departed = new DepartedPods();
      const told = states.map((state) => departed.take({ ...NO_DEVICES, ...state }));
      assert.deepEqual(told.at(-1), gone);
    });
  }
});
