/** The right to write, for as long as nobody else can have it. */
export interface Leadership {
  /** Aborted when leadership ends. A write is given it, so that none outlives the right to it. */
  readonly signal: AbortSignal;
  /**
   * Whether leadership lasts, by the clock. To be asked right before each write: a process that was stopped for a minute and goes
   * on has been overtaken, and the timer that says so may come after the write.
   */
  isHeld(): boolean;
}
