import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settingsSchema } from '../../settings/index.ts';
import { clusterPlacement, type Placement } from './placement.ts';

describe('in a cluster Ingresses are served', () => {
  const cases: readonly (readonly [name: string, hostNetwork: object, expected: Placement])[] = [
    ['behind load balancers', {}, { kind: 'load-balancer', namespace: 'here' }],
    ['on the nodes by settings', { enabled: true }, { kind: 'host-network', namespace: 'here', sharedPort: 8080 }],
    ['on another port', { enabled: true, sharedListenerPort: 9000 }, { kind: 'host-network', namespace: 'here', sharedPort: 9000 }],
    ['not by a port alone', { sharedListenerPort: 9000 }, { kind: 'load-balancer', namespace: 'here' }],
  ];
  for (const [name, hostNetwork, expected] of cases) {
    it(name, () => assert.deepEqual(clusterPlacement(settingsSchema.parse({ ingress: { hostNetwork } }).ingress, 'here'), expected));
  }
});
