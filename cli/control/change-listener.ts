import type { ChangedEvent } from '../../controller/controller.ts';
import type { ObjectBatch } from '../../kube/index.ts';

/** A batch that was taken in, and what it came to. */
export interface TakenChange extends Pick<ChangedEvent, 'change' | 'revision' | 'timing'> {
  readonly batch: Pick<ObjectBatch, 'upserts' | 'removals' | 'timing'>;
}

/** Who wants to know what becomes of changes. */
export interface ChangeListener {
  /** To be told right after a change was published. */
  changed(change: TakenChange): void;
  /** A node has answered everything up to a revision. */
  synced(nodeId: string, revision: number): void;
  /** A node is not connected any more. */
  left(nodeId: string): void;
}

/** Tells several. */
export class ChangeListeners implements ChangeListener {
  readonly #listeners: ChangeListener[] = [];

  add(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  changed(change: TakenChange): void {
    for (const listener of this.#listeners) listener.changed(change);
  }

  synced(nodeId: string, revision: number): void {
    for (const listener of this.#listeners) listener.synced(nodeId, revision);
  }

  left(nodeId: string): void {
    for (const listener of this.#listeners) listener.left(nodeId);
  }
}
