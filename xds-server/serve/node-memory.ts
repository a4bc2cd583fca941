import { ByType } from './by-type.ts';
import type { Rejection } from './outcome.ts';

/** What must be remembered of a client while it has no stream. */
export interface NodeMemory {
  readonly id: string;
  readonly rejected: ByType<Rejection>;
  /**
   * What must be sent again although the client may say that it has it: endpoints without which Envoy does not finish
   * warming a cluster that it was sent, and parts of a refused response, of which nobody knows whether they are in force.
   */
  readonly owed: ByType<AwaitedBy>;
}

/** The clusters that are not warm without it. */
export type AwaitedBy = ReadonlySet<string>;

export const NOBODY: AwaitedBy = new Set();

/**
 * A client that has nothing is a new process, which is owed nothing and may accept what the one before it refused.
 * @param typeUrl the one type that the client's stream carries; undefined for all
 */
export function forgetProcess({ rejected, owed }: NodeMemory, typeUrl: string | undefined): void {
  rejected.clear(typeUrl);
  owed.clear(typeUrl);
}

/** Clients that are gone and not remembered beyond this number: the oldest is forgotten first. */
const MAX_DISCONNECTED = 4096;

export class NodeMemories {
  readonly #connected = new Map<string, { readonly memory: NodeMemory; streams: number }>();
  /** In the order in which they left. */
  readonly #disconnected = new Map<string, NodeMemory>();

  connect(id: string): NodeMemory {
    const known = this.#connected.get(id);
    if (known) {
      known.streams++;
      return known.memory;
    }
    const memory = this.#disconnected.get(id) ?? { id, rejected: new ByType<Rejection>(), owed: new ByType<AwaitedBy>() };
    this.#disconnected.delete(id);
    this.#connected.set(id, { memory, streams: 1 });
    return memory;
  }

  disconnect({ id }: NodeMemory): void {
    const known = this.#connected.get(id);
    if (!known || --known.streams > 0) return;
    this.#connected.delete(id);
    if (known.memory.rejected.isEmpty && known.memory.owed.isEmpty) return;
    this.#disconnected.set(id, known.memory);
    if (this.#disconnected.size <= MAX_DISCONNECTED) return;
    for (const oldest of this.#disconnected.keys()) {
      this.#disconnected.delete(oldest);
      break;
    }
  }
}
