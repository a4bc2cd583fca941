import { mkdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { replaceFile } from '../replace-file.ts';
import { SteeringNetworkError } from './network-error.ts';

const record = z.object({
  /** What was there before goes with the boot. */
  boot: z.string(),
  sysctls: z.record(z.string(), z.object({ before: z.string(), made: z.string() })),
});

/** What a setting was before, and what it was made. */
export type ChangedSysctl = Readonly<z.output<typeof record>['sysctls'][string]>;

/** What was there before something was changed, which outlives the process that changed it. */
export class Remembered {
  readonly #folder: string | undefined;
  readonly #boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  #sysctls: Readonly<Record<string, ChangedSysctl>> | undefined;

  /** @param folder for files of this node and boot, made when something is to be remembered; undefined: nothing is */
  constructor(folder: string | undefined) {
    this.#folder = folder;
    this.#sysctls = this.#read();
  }

  /** Whether anything was changed since the machine started. */
  get isAny(): boolean {
    return this.#sysctls !== undefined;
  }

  /** By path. */
  get sysctls(): ReadonlyMap<string, ChangedSysctl> {
    return new Map(Object.entries(this.#sysctls ?? {}));
  }

  /**
   * Remembers that changes begin, and those that are about to be made. What a setting was before is the last that somebody else made it.
   * @throws SteeringNetworkError `not-remembered`
   */
  remember(changes: ReadonlyMap<string, { readonly found: string; readonly wanted: string }>): void {
    if (this.#sysctls !== undefined && changes.size === 0) return;
    const changed = [...changes].map(([path, { found, wanted }]) => {
      const earlier = this.#sysctls?.[path];
      return [path, { before: found === earlier?.made ? earlier.before : found, made: wanted }] as const;
    });
    const all = { ...this.#sysctls, ...Object.fromEntries(changed) };
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      replaceFile(this.#path, `${JSON.stringify({ boot: this.#boot, sysctls: all } satisfies z.input<typeof record>)}\n`);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new SteeringNetworkError('not-remembered', `cannot write down how the network of this node was before: ${reason}`, { cause });
    }
    this.#sysctls = all;
  }

  forget(): void {
    rmSync(this.#path, { force: true });
    this.#sysctls = undefined;
  }

  get #path(): string {
    if (this.#folder === undefined) throw new SteeringNetworkError('not-remembered', 'nothing is to be changed here');
    return join(this.#folder, fileName());
  }

  #read(): Readonly<Record<string, ChangedSysctl>> | undefined {
    try {
      const { boot, sysctls } = record.parse(JSON.parse(readFileSync(this.#path, 'utf8')));
      return boot === this.#boot ? sysctls : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Each network namespace has its own, named by its number. */
function fileName(): string {
  return `network-${readlinkSync('/proc/thread-self/ns/net').replaceAll(/\D/g, '')}.json`;
}
