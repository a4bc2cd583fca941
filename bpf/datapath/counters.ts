import type { BpfMap, Codec } from 'libbpf-ts';
import type { Direction } from '../../model/index.ts';
import { type counter, outcome } from './gen/policy.ts';

type CounterValue = typeof counter extends Codec<infer T> ? T : never;

type Kebab<S extends string> = S extends `${infer A}_${infer B}` ? `${Lowercase<A>}-${Kebab<B>}` : Lowercase<S>;

/** What became of a packet and why, such as `passed-reply` or `dropped-spoofed`. */
export type Outcome = Kebab<Exclude<keyof typeof outcome, 'OUTCOMES'>>;

export interface Counter {
  /** Which way the packets went, as the pod sees it. */
  readonly direction: Direction;
  readonly outcome: Outcome;
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** By their numbers. */
export const OUTCOMES: readonly Outcome[] = Object.entries(outcome)
  .filter(([name]) => name !== 'OUTCOMES')
  .sort(([, a], [, b]) => a - b)
  .map(([name]) => name.toLowerCase().replaceAll('_', '-') as Outcome);

/** Whether packets of this outcome went no further. */
export function isDrop(of: Outcome): boolean {
  return of.startsWith('dropped-');
}

/** @throws RangeError for a number that none has */
export function outcomeOf(number: number): Outcome {
  const found = OUTCOMES[number];
  if (found === undefined) throw new RangeError(`there is no outcome ${number}`);
  return found;
}

/** All that are not 0, of all processors together. */
export function readCounters(map: BpfMap<number, readonly CounterValue[]>): readonly Counter[] {
  return (['ingress', 'egress'] as const).flatMap((direction, row) =>
    OUTCOMES.flatMap((name, column) => {
      const values = map.get(row * OUTCOMES.length + column) ?? [];
      const packets = values.reduce((sum, value) => sum + value.packets, 0n);
      const bytes = values.reduce((sum, value) => sum + value.bytes, 0n);
      return packets === 0n ? [] : [{ direction, outcome: name, packets, bytes }];
    }),
  );
}
