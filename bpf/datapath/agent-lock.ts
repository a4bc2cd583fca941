import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { BpfError, FolderLock } from 'libbpf-ts';
import { DatapathError } from './error.ts';

/** A name that no file stands for, of which each network namespace has its own; free again when its process ends, however it does. */
const NETWORK_NAME = '\0sluice-datapath';

/** That nobody else has the pins, or the devices of this network namespace. */
export class AgentLock implements Disposable {
  readonly #folder: FolderLock | undefined;
  readonly #network: Server;

  private constructor(folder: FolderLock | undefined, network: Server) {
    this.#folder = folder;
    this.#network = network;
  }

  /** @param folder undefined where there are no pins @throws DatapathError `locked` */
  static async take(folder: string | undefined): Promise<AgentLock> {
    using unfinished = new DisposableStack();
    const lock = unfinished.use(folder === undefined ? undefined : lockFolder(folder));
    const network = createServer((connection) => connection.destroy());
    network.listen(NETWORK_NAME);
    try {
      await once(network, 'listening');
    } catch (cause) {
      throw new DatapathError('locked', 'another agent is at work in this network namespace', { cause });
    }
    network.unref();
    unfinished.move();
    return new AgentLock(lock, network);
  }

  [Symbol.dispose](): void {
    this.#network.close();
    this.#folder?.[Symbol.dispose]();
  }
}

function lockFolder(folder: string): FolderLock {
  try {
    return new FolderLock(folder);
  } catch (cause) {
    if (cause instanceof BpfError && cause.code === 'locked') {
      throw new DatapathError('locked', `another agent has its maps in ${folder}`, { cause });
    }
    throw cause;
  }
}
