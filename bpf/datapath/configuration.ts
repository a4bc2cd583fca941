import type { BpfMap, Codec } from 'libbpf-ts';
import { type configuration as CODEC, monitor_level } from './gen/policy.ts';

type Values = typeof CODEC extends Codec<infer T> ? T : never;

/** What the kernel tells of: nothing, drops, or connections that begin and end as well. Counters are kept anyway. */
export type MonitorLevel = 'nothing' | 'drops' | 'connections';

export const MONITOR_LEVELS = {
  nothing: monitor_level.MONITOR_NOTHING,
  drops: monitor_level.MONITOR_DROPS,
  connections: monitor_level.MONITOR_CONNECTIONS,
} satisfies Record<MonitorLevel, number>;

/** What all programs look at. */
export class Configuration {
  readonly #map: BpfMap<number, Values>;

  constructor(map: BpfMap<number, Values>) {
    this.#map = map;
  }

  get(): Values | undefined {
    return this.#map.get(0);
  }

  set(changes: Partial<Values>): void {
    const before = this.#map.get(0);
    if (before) this.#map.set(0, { ...before, ...changes });
  }
}
