import { renameSync, rmSync } from 'node:fs';
import { BpfError } from './error.ts';
import type { LoadedObject } from './loaded-object.ts';
import { openMap } from './map-handle.ts';
import type { MapSpec, MigrateEntry } from './map-spec.ts';
import { type MapLayout, native } from './native.ts';

const LAYOUT_FIELDS = ['type', 'keySize', 'valueSize', 'maxEntries', 'flags'] as const satisfies readonly (keyof MapLayout)[];

interface Migration {
  readonly map: string;
  readonly path: string;
  /** Where the new map is until it has what the old one had. No `.` may be in names there. */
  readonly newPath: string;
  readonly migrate: MigrateEntry;
}

/**
 * Compares maps with those that are pinned where they are to be. Where one has another layout and may be migrated, the new one is
 * made beside it and takes its place once it has its entries: the path always leads to one of them, however this ends.
 */
export class PinMigrations implements Disposable {
  readonly #migrations: readonly Migration[];

  /** @throws BpfError `pin-mismatch` where there is a map that cannot be used and is not to be migrated */
  constructor(maps: readonly MapSpec[]) {
    const differing = maps.flatMap((map) => {
      const { pinPath: path, name, migrate } = map;
      const difference = path === undefined ? undefined : differenceAt(path, map.layout);
      if (path === undefined || difference === undefined) return [];
      if (!migrate) throw new BpfError('pin-mismatch', `the map at ${path} is not as ${name} is to be: ${difference}`);
      return [{ map, migration: { map: name, path, newPath: `${path}_new`, migrate } }];
    });
    for (const { map, migration } of differing) {
      // Of one that was interrupted.
      rmSync(migration.newPath, { force: true });
      map.pinAt(migration.newPath);
    }
    this.#migrations = differing.map(({ migration }) => migration);
  }

  /** Copies what the old maps have, and puts the new ones in their places. What is written to an old one meanwhile is lost. */
  async finish(loaded: LoadedObject): Promise<void> {
    for (const { map, path, newPath, migrate } of this.#migrations) {
      using old = openMap(path);
      for await (const batch of old.batches()) {
        const entries = batch.map(([key, value]) => migrate(key, value));
        await loaded.map(map).setAll(entries.filter((entry) => entry !== undefined));
      }
      renameSync(newPath, path);
    }
  }

  /** Takes away what was not put in place. */
  [Symbol.dispose](): void {
    for (const { newPath } of this.#migrations) rmSync(newPath, { force: true });
  }
}

/** How the map at a path differs from a layout, in words; undefined where it does not, or there is none. */
function differenceAt(path: string, wanted: MapLayout): string | undefined {
  const lib = native();
  const fd = lib.pinnedOpen(path);
  // Something else that is there is refused by libbpf.
  if (fd < 0) return undefined;
  try {
    const pinned = lib.describeMap(fd) ?? wanted;
    const differences = LAYOUT_FIELDS.filter((field) => pinned[field] !== wanted[field]);
    return differences.map((field) => `${field} ${pinned[field]}, not ${wanted[field]}`).join(', ') || undefined;
  } finally {
    lib.closeFd(fd);
  }
}
