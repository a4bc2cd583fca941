import { join } from 'node:path';
import { type BpfMap, type Codec, type LoadedObject, openMap } from 'libbpf-ts';
import { maps as CODECS } from '../gen/service.ts';

/** Maps that user space fills, and programs read; in files of these names where they are pinned. */
const FILLED = [
  'service_addresses',
  'service_frontends',
  'services',
  'service_slots',
  'service_backends',
  'service_names',
  'service_next_id',
  'node_addresses',
] as const satisfies readonly (keyof typeof CODECS)[];

/** Maps that programs fill. */
const KEPT = [
  'service_affinity',
  'service_flows',
  'service_replies',
  'service_peers',
  'service_counts',
] as const satisfies readonly (keyof typeof CODECS)[];

/** Which whoever judges packets fills. */
const READ = ['taken_services'] as const satisfies readonly (keyof typeof CODECS)[];

export const PINNED_MAPS: readonly string[] = [...FILLED, ...KEPT, ...READ];

type Filled = (typeof FILLED)[number];
type Coded<C> = C extends Codec<infer T> ? T : never;
type MapOf<N extends keyof typeof CODECS> = BpfMap<Coded<(typeof CODECS)[N][0]>, Coded<(typeof CODECS)[N][1]>>;

/** By the names that programs have for them. */
export type ServiceMaps = { readonly [N in Filled | 'service_counts']: MapOf<N> };

/** The maps of programs that are loaded. They live as long as the object. */
export function mapsOf(loaded: LoadedObject): ServiceMaps {
  return collect((name, key, value) => loaded.map(name, key, value));
}

/**
 * The maps of programs that somebody loaded, such as the agent.
 * @param pinFolder the folder of the BPF file system
 * @throws BpfError `not-found` where there are none
 */
export function openPinnedMaps(pinFolder: string): ServiceMaps & Disposable {
  using stack = new DisposableStack();
  const maps = collect((name, key, value) => stack.use(openMap(join(pinFolder, name), key, value)));
  const owned = stack.move();
  return { ...maps, [Symbol.dispose]: () => owned.dispose() };
}

type Open = <K, V>(name: string, key: Codec<K>, value: Codec<V>) => BpfMap<K, V>;

function collect(open: Open): ServiceMaps {
  return {
    service_addresses: open('service_addresses', ...CODECS.service_addresses),
    service_frontends: open('service_frontends', ...CODECS.service_frontends),
    services: open('services', ...CODECS.services),
    service_slots: open('service_slots', ...CODECS.service_slots),
    service_backends: open('service_backends', ...CODECS.service_backends),
    service_names: open('service_names', ...CODECS.service_names),
    service_next_id: open('service_next_id', ...CODECS.service_next_id),
    node_addresses: open('node_addresses', ...CODECS.node_addresses),
    service_counts: open('service_counts', ...CODECS.service_counts),
  };
}
