import type { RunningLab } from '../lab/index.ts';
import { LabChild } from './lab-child.ts';
import { dialView, type NodeRequest, sizeView } from './node-messages.ts';

/** A node of a lab, from within. */
export class LabNode implements AsyncDisposable {
  readonly name: string;
  readonly #child: LabChild<NodeRequest>;

  constructor(lab: RunningLab, name: string) {
    this.name = name;
    this.#child = new LabChild<NodeRequest>(lab, new URL('node-program.ts', import.meta.url), { where: name, mounts: true });
  }

  /**
   * Waits until Envoy is connected to an agent that was started after a time.
   * @param after in milliseconds since 1970
   * @returns how many milliseconds after that agent had made its socket
   */
  async untilDialled(after: number): Promise<number> {
    return dialView.parse(await this.#child.ask({ kind: 'until-dialled', after }));
  }

  /** Mounts a file system in memory over a folder, for what is started from now on. @param size as `mount` has it: `1m` */
  async mount(folder: string, size: string): Promise<void> {
    await this.#child.ask({ kind: 'mount', folder, size });
  }

  /** Writes a file until there is no room on its file system, and gives its size in bytes. */
  async fill(path: string): Promise<number> {
    return sizeView.parse(await this.#child.ask({ kind: 'fill', path }));
  }

  async remove(path: string): Promise<void> {
    await this.#child.ask({ kind: 'remove', path });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
