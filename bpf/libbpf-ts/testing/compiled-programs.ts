import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HEADERS = '/usr/include/bpf/bpf_helpers.h';

/** Whether tests can load programs on this machine: why not, or false. LIBBPF_TS_REQUIRE=1 makes that a failure. */
export function loads(): { readonly skip: string | false } {
  const reason = process.getuid?.() === 0 ? missing() : 'not root';
  if (reason !== undefined && process.env['LIBBPF_TS_REQUIRE'] === '1') throw new Error(`LIBBPF_TS_REQUIRE is set, but: ${reason}`);
  return { skip: reason ?? false };
}

/** A folder of objects, made of the programs beside this file. */
export class CompiledPrograms implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'libbpf-ts-'));

  /** Compiles `NAME.bpf.c` and gives the path of the object. */
  compile(name: string): string {
    const object = join(this.#folder, `${name}.bpf.o`);
    const source = fileURLToPath(new URL(`${name}.bpf.c`, import.meta.url));
    // Headers of the kernel's interface for this machine are in a folder of their own on Debian.
    const machine = `-I/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
    execFileSync('clang', ['-O2', '-g', '-Wall', '-Werror', '-target', 'bpf', machine, '-c', source, '-o', object], { stdio: 'inherit' });
    return object;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function missing(): string | undefined {
  if (!existsSync(HEADERS)) return `no ${HEADERS}`;
  const isThere = (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, 'clang')));
  return isThere ? undefined : 'no clang';
}
