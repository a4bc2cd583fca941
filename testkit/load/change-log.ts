interface Change {
  readonly text: string;
  readonly startedAt: number;
  inForceAt: number | undefined;
}

/** For how long after a change came into force it is told of with a failure: connections drain. */
const AFTERMATH_MS = 4_000;

/** The changes that are made under load, and how long each took until a client saw it. */
export class ChangeLog {
  readonly #changes: Change[] = [];

  get count(): number {
    return this.#changes.length;
  }

  /** Milliseconds from before the write to the first answer that shows the change, sorted. */
  get durations(): readonly number[] {
    return this.#changes
      .flatMap(({ startedAt, inForceAt }) => (inForceAt === undefined ? [] : [inForceAt - startedAt]))
      .sort((a, b) => a - b);
  }

  /** Notes that a change begins; the result is to be called when it is seen to be in force. */
  begin(text: string): () => void {
    const change: Change = { text, startedAt: performance.now(), inForceAt: undefined };
    this.#changes.push(change);
    return () => {
      change.inForceAt = performance.now();
    };
  }

  /** What was going on in some span of time. */
  describe(from: number, to: number): string {
    const relevant = this.#changes.filter(
      ({ startedAt, inForceAt }) => startedAt <= to && (inForceAt === undefined || inForceAt >= from - AFTERMATH_MS),
    );
    return relevant
      .map(({ text, startedAt, inForceAt }) => {
        const began = `${Math.round(startedAt - to)} ms`;
        return `${text} (${began}${inForceAt === undefined ? ', not seen in force' : `, in force ${Math.round(inForceAt - to)} ms`})`;
      })
      .join('; ');
  }

  /** As in `10 %: 31 ms, 50 %: …`. */
  formatDurations(): string {
    const { durations } = this;
    return [0.1, 0.5, 0.9, 0.99, 1]
      .map((part) => `${part * 100} %: ${Math.round(durations[Math.ceil(part * durations.length) - 1] ?? 0)} ms`)
      .join(', ');
  }
}
