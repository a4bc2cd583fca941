import { mkdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { replaceFile } from '../replace-file.ts';
import { SteeringNetworkError } from './network-error.ts';

const record = z.object({
  /** What was there before goes with the boot. */
  boot: z.string(),
  sysctls: z.record(z.string(), z.string()),
});

/** What was there before something was changed, which outlives the process that changed it. */
export class Remembered {
  readonly #folder: string | undefined;
  readonly #boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  #sysctls: Readonly<Record<string, string>> | undefined;

  /** @param folder for files of this node and boot, made when something is to be remembered; undefined: nothing is */
  constructor(folder: string | undefined) {
    this.#folder = folder;
    this.#sysctls = this.#read();
  }

  /** Whether anything was changed since the machine started. */
  get isAny(): boolean {
    return this.#sysctls !== undefined;
  }

  sysctl(path: string): string | undefined {
    return this.#sysctls?.[path];
  }

  /** Remembers that changes begin, and a value, unless one is remembered already. @throws SteeringNetworkError `not-remembered` */
  remember(sysctls: Readonly<Record<string, string>>): void {
    const all = { ...sysctls, ...this.#sysctls };
    if (this.#sysctls !== undefined && Object.keys(all).length === Object.keys(this.#sysctls).length) return;
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

  #read(): Readonly<Record<string, string>> | undefined {
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
