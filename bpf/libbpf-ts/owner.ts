import { BpfError } from './error.ts';

/** Those whom nobody holds any more are closed; to dispose of them is sooner. */
const forgotten = new FinalizationRegistry<() => void>((close) => close());

/**
 * Something in the kernel that is open, until it is disposed of. Whoever uses a file descriptor of it holds this, so that it is not
 * closed by chance: the number of one that was closed may be somebody else's by now.
 */
export class Owner implements Disposable {
  readonly name: string;
  readonly #close: () => void;
  #isClosed = false;
  #users = 0;

  private constructor(name: string, close: () => void) {
    this.name = name;
    this.#close = close;
    forgotten.register(this, close, this);
  }

  /** @param close is called once with the handle; must not hold the owner, or that is never forgotten */
  static of<H>(name: string, handle: H, close: (handle: H) => unknown): Owner {
    // In a scope of its own, since a function keeps all that functions beside it use.
    return new Owner(name, () => close(handle));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** @throws BpfError `closed` */
  checkOpen(): void {
    if (this.#isClosed) throw new BpfError('closed', `${this.name} was disposed of, or used up`);
  }

  /** Keeps it open for work on another thread, also where it is disposed of meanwhile. @throws BpfError `closed` */
  use(): Disposable {
    this.checkOpen();
    this.#users += 1;
    return {
      [Symbol.dispose]: () => {
        this.#users -= 1;
        if (this.#users === 0 && this.#isClosed) this.#close();
      },
    };
  }

  /** It is not closed by this any more: somebody else has the handle from now on. @throws BpfError `closed` */
  disown(): void {
    this.checkOpen();
    this.#isClosed = true;
    forgotten.unregister(this);
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    forgotten.unregister(this);
    if (this.#users === 0) this.#close();
  }
}
