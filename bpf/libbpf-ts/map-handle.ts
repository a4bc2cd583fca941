import { BpfMap, type MapInfo, sizeOfValue } from './bpf-map.ts';
import { bytes, type Codec } from './codec.ts';
import { BpfError } from './error.ts';
import { PER_CPU_TYPES } from './map-type.ts';
import { native } from './native.ts';
import { Owner } from './owner.ts';

export interface MapOptions {
  /** At most 15 letters, digits, `_` and `.`; default: none. */
  readonly name?: string;
  /** See `MapType`; not one for each CPU. */
  readonly type: number;
  readonly maxEntries: number;
  /** Such as `BPF_F_NO_PREALLOC`, 1, which prefixes need. Default 0. */
  readonly flags?: number;
}

/**
 * Makes a map that belongs to no object, such as one to put into a map of maps, which then holds it itself.
 *
 *     using inner = createMap({ type: MapType.hash, maxEntries: 16 }, u32, u64);
 *     loaded.map('tables', u32, u32).set(1, inner.fd);
 *
 * @throws BpfError `map-failed`
 */
export function createMap<K, V>(options: MapOptions, key: Codec<K>, value: Codec<V>): BpfMap<K, V> & Disposable {
  const { name = '', type, maxEntries, flags = 0 } = options;
  if (PER_CPU_TYPES.has(type)) throw new BpfError('map-failed', 'maps for each CPU are made by objects only');
  const layout = { type, keySize: key.size, valueSize: value.size, maxEntries, flags };
  const fd = native().mapCreate(layout, name);
  if (fd < 0) throw new BpfError('map-failed', `no map ${name} can be made`, { errno: -fd });
  return owned({ name, fd, ...layout }, key, value);
}

/**
 * Opens a map by the file that it is pinned at.
 * @throws BpfError `not-found`, or `layout-mismatch` where a codec has another size than the map
 */
export function openMap(path: string): BpfMap<Uint8Array, Uint8Array> & Disposable;
export function openMap<K, V>(path: string, key: Codec<K>, value: Codec<V>): BpfMap<K, V> & Disposable;
export function openMap(path: string, key?: Codec<unknown>, value?: Codec<unknown>): BpfMap<unknown, unknown> & Disposable {
  const fd = native().pinnedOpen(path);
  if (fd < 0) throw new BpfError('not-found', `there is no map at ${path}`, { errno: -fd });
  const layout = native().describeMap(fd);
  if (!layout) {
    native().closeFd(fd);
    throw new BpfError('not-found', `what is at ${path} is no map`);
  }
  const info = { name: path, fd, ...layout };
  return owned(info, key ?? bytes(info.keySize), value ?? bytes(sizeOfValue(info)));
}

function owned<K, V>(info: MapInfo, key: Codec<K>, value: Codec<V>): BpfMap<K, V> & Disposable {
  const { name, fd } = info;
  const owner = Owner.of(name, fd, native().closeFd);
  try {
    const map = new BpfMap(info, key, value, owner);
    return Object.assign(map, { [Symbol.dispose]: () => owner[Symbol.dispose]() });
  } catch (error) {
    owner[Symbol.dispose]();
    throw error;
  }
}
