/** @see https://docs.ebpf.io/linux/map-type/ */
export const MapType = {
  hash: 1,
  array: 2,
  programArray: 3,
  perCpuHash: 5,
  perCpuArray: 6,
  lruHash: 9,
  lruPerCpuHash: 10,
  lpmTrie: 11,
  arrayOfMaps: 12,
  hashOfMaps: 13,
  sockMap: 15,
  sockHash: 18,
  ringBuffer: 27,
} as const;

export const PER_CPU_TYPES: ReadonlySet<number> = new Set([MapType.perCpuHash, MapType.perCpuArray, MapType.lruPerCpuHash]);

/** Those of which the kernel gives many entries in one call. */
export const READ_IN_BATCHES: ReadonlySet<number> = new Set([
  ...[MapType.hash, MapType.array, MapType.perCpuHash, MapType.perCpuArray],
  ...[MapType.lruHash, MapType.lruPerCpuHash, MapType.lpmTrie],
]);
