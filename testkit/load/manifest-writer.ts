import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** As editors, `kubectl`-like tools, configuration management and people write files. */
const STYLES = ['in-place', 'rename', 'half', 'recreate', 'move'] as const;

/** How long a file is half-written or absent at most; blocking, so that no stall of the event loop makes it longer. */
const GAP_MS = 15;

/** Keeps some objects in a folder, in one file at a time, which it writes in ever another way. */
export class ManifestWriter {
  readonly #folder: string;
  readonly #name: string;
  #version = 0;
  #path: string | undefined;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  /** Returns how it was written. */
  write(...objects: readonly unknown[]): string {
    const style = STYLES[Math.floor(Math.random() * STYLES.length)] ?? 'in-place';
    const text = objects.map((object) => `${JSON.stringify(object, null, 2)}\n`).join('---\n');
    const path = this.#path ?? this.#nextPath();
    this.#path = this.#writeAs(style, path, text);
    return style;
  }

  remove(): void {
    if (this.#path) rmSync(this.#path);
    this.#path = undefined;
  }

  #writeAs(style: (typeof STYLES)[number], path: string, text: string): string {
    switch (style) {
      case 'in-place':
        writeFileSync(path, text);
        return path;
      case 'rename':
        writeFileSync(`${path}.tmp`, text);
        renameSync(`${path}.tmp`, path);
        return path;
      case 'half':
        writeFileSync(path, text.slice(0, Math.floor(Math.random() * text.length)));
        block(GAP_MS);
        writeFileSync(path, text);
        return path;
      case 'recreate':
        rmSync(path, { force: true });
        block(GAP_MS);
        writeFileSync(path, text);
        return path;
      case 'move': {
        const next = this.#nextPath();
        rmSync(path, { force: true });
        block(GAP_MS);
        writeFileSync(next, text);
        return next;
      }
    }
  }

  #nextPath(): string {
    this.#version += 1;
    return join(this.#folder, `${this.#name}-${this.#version}.yaml`);
  }
}

function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
