import type { Clock } from '../../kube/index.ts';
import type { Diagnostic } from '../../model/index.ts';

/** Images are pulled, certificates asked for, and a pod that waits for its ConfigMap looks for it less and less often. */
const GRACE_MS = 60_000;

export interface NodesGraceOptions {
  /** The time is over in which nobody is told that there are no nodes. */
  readonly onOver: () => void;
  readonly clock: Clock;
}

/**
 * Holds back that no node serves, for a while after nodes can connect: where Sluice has just been installed, or a whole cluster was
 * started, that is as it should be. A node that did serve ends the while, so that its loss is told at once.
 */
export class NodesGrace {
  readonly #options: NodesGraceOptions;
  #isOver = false;
  #cancel: (() => void) | undefined;

  constructor(options: NodesGraceOptions) {
    this.#options = options;
  }

  /** From now on nodes can connect. */
  begin(): void {
    if (this.#isOver) return;
    this.#cancel?.();
    this.#cancel = this.#options.clock.after(GRACE_MS, () => {
      this.#isOver = true;
      this.#options.onOver();
    });
  }

  /** Whether to hold a finding back. */
  holdsBack({ code }: Diagnostic): boolean {
    return code === 'NoNodes' && !this.#isOver;
  }

  /** A node serves, or nobody is interested any more. */
  end(): void {
    this.#isOver = true;
    this.#cancel?.();
  }
}
