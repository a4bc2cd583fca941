import fc from 'fast-check';
import { changingPolicy, layer7Policy } from './random-cilium-policy.ts';
import { networkPolicy } from './random-network-policy.ts';
import { randomWorld, type World, type WorldOptions } from './random-world.ts';

/** Worlds with policies of which most need layer 7; in some, what is sent is not what the other end hears. */
export function randomLayer7World(options: Omit<WorldOptions, 'policies' | 'policy'>): fc.Arbitrary<World> {
  const policy = fc.oneof({ weight: 5, arbitrary: layer7Policy }, { weight: 1, arbitrary: networkPolicy });
  return fc.oneof(
    { weight: 4, arbitrary: randomWorld({ ...options, policies: 5, policy }) },
    { weight: 1, arbitrary: randomWorld({ ...options, policies: 2, policy: changingPolicy }) },
  );
}
