import { closeSync, readFileSync } from 'node:fs';
import { BpfError } from './error.ts';
import { native, type Pointer } from './native.ts';
import type { Program } from './program.ts';

/**
 * A program at work in the kernel. It ends when this is disposed of, unless it is pinned: then it ends when the file is
 * removed, too. Another program can take its place with nothing in between.
 */
export class Link implements Disposable {
  readonly name: string;
  #link: Pointer | undefined;

  private constructor(name: string, link: Pointer) {
    this.name = name;
    this.#link = link;
  }

  /** @internal @param lacks what the kernel has not that it needs, where it failed */
  static of(name: string, link: Pointer | null, lacks: () => readonly string[] = () => []): Link {
    if (link !== null) return new Link(name, link);
    const errno = native().errno();
    const missing = lacks();
    const why = missing.length > 0 ? `, as this kernel has no ${missing.join(', no ')}` : '';
    throw new BpfError('attach-failed', `${name} was not attached${why}`, { errno, missing });
  }

  /** Opens a link by its file. @throws BpfError `not-found` */
  static openPinned(path: string): Link {
    const link = native().linkOpen(path);
    if (link !== null) return new Link(path, link);
    throw new BpfError('not-found', `there is no link at ${path}`, { errno: native().errno() });
  }

  /** Lets it outlive this process, at a path in a BPF file system. @throws BpfError `attach-failed` */
  pin(path: string): void {
    this.#check(`pinned at ${path}`, native().linkPin(this.#open(), path));
  }

  /** Puts another program in its place, at once. @throws BpfError `attach-failed` */
  update(program: Program): void {
    this.#check(`replaced by ${program.name}`, native().linkUpdate(this.#open(), program.pointer));
  }

  /**
   * Has a program run once for each of what its section names, such as `iter/tcp` for the sockets of this process' network namespace.
   * @returns what it wrote
   * @throws BpfError `run-failed`, as for programs of other kinds
   * @see https://docs.kernel.org/bpf/bpf_iterators.html
   */
  iterate(): Uint8Array {
    const fd = native().iteratorCreate(native().linkFd(this.#open()));
    if (fd < 0) throw new BpfError('run-failed', `${this.name} is no iterator`, { errno: -fd });
    try {
      return readFileSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  [Symbol.dispose](): void {
    if (this.#link !== undefined) native().linkDestroy(this.#link);
    this.#link = undefined;
  }

  #open(): Pointer {
    if (this.#link !== undefined) return this.#link;
    throw new BpfError('closed', `the link of ${this.name} was disposed of`);
  }

  #check(what: string, result: number): void {
    if (result < 0) throw new BpfError('attach-failed', `the link of ${this.name} was not ${what}`, { errno: -result });
  }
}
