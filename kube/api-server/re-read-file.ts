import { readFileSync } from 'node:fs';
import { CredentialsError } from './credentials.ts';

/** The kubelet replaces a token long before it expires. */
const FRESH_MS = 10_000;

/** A file that others replace, such as a projected token: read again when what is known of it is ten seconds old. */
export class ReReadFile {
  readonly path: string;
  #text: string | undefined;
  #readAt = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** Its content without space around it. @throws CredentialsError `unreadable`, unless it was read before */
  read(): string {
    if (this.#text !== undefined && performance.now() - this.#readAt < FRESH_MS) return this.#text;
    try {
      this.#text = readFileSync(this.path, 'utf8').trim();
      this.#readAt = performance.now();
    } catch (cause) {
      // While it is being replaced, what was read last is as good as any.
      if (this.#text === undefined) throw new CredentialsError('unreadable', `${this.path} cannot be read`, { cause });
    }
    return this.#text;
  }

  forget(): void {
    this.#readAt = Number.NEGATIVE_INFINITY;
  }
}
