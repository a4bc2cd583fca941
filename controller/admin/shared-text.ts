/** A text that all who ask at the same time have from one reading, so that together they cost no more than one. */
export class SharedText {
  readonly #read: () => Promise<string>;
  #reading: Promise<string> | undefined;
  #last = { text: '', at: Number.NEGATIVE_INFINITY };

  constructor(read: () => Promise<string>) {
    this.#read = read;
  }

  /**
   * @param maxAgeMs how old it may be, in milliseconds. Default: what is asked for now
   * @throws what the reading does, to all who share it
   */
  async get(maxAgeMs = 0): Promise<string> {
    if (performance.now() - this.#last.at < maxAgeMs) return this.#last.text;
    this.#reading ??= this.#readNow().finally(() => {
      this.#reading = undefined;
    });
    return await this.#reading;
  }

  async #readNow(): Promise<string> {
    const text = await this.#read();
    this.#last = { text, at: performance.now() };
    return text;
  }
}
