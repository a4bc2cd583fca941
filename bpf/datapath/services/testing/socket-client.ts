import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PROCESS = fileURLToPath(new URL('socket-process.ts', import.meta.url));

interface Place {
  readonly address: string;
  readonly port: number;
}

export type Request =
  | ({ readonly kind: 'serve' } & Place)
  | ({ readonly kind: 'tcp' } & Place)
  | ({ readonly kind: 'tcp-many'; readonly times: number } & Place)
  | ({ readonly kind: 'udp' | 'udp-connect'; readonly socket: string } & Place)
  | { readonly kind: 'udp-connected' | 'close'; readonly socket: string };

export interface Answer {
  /** The address and port that answered, as it knows itself. */
  readonly backend?: string;
  /** The address and port that the client believes to talk to. */
  readonly peer?: string;
  readonly counts?: Readonly<Record<string, number>>;
  /** Such as `ECONNREFUSED`. */
  readonly error?: string;
}

/** A process in a cgroup that does with sockets what it is told. */
export class SocketClient implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #asked = 0;

  /** @param within a shell script that goes where it is to run, and ends by running what it is given */
  constructor(within: string) {
    this.#child = spawn('sh', ['-c', within, 'sh', process.execPath, PROCESS], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (message) => {
      const { id, answer } = message as { id: number; answer: Answer };
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
    this.#child.on('exit', (code) => {
      for (const answer of this.#waiting.values()) answer({ error: `the client ended with ${code}` });
      this.#waiting.clear();
    });
  }

  async ask(request: Request): Promise<Answer> {
    this.#asked += 1;
    const id = this.#asked;
    return await new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ id, request });
    });
  }

  async tcp(address: string, port: number): Promise<Answer> {
    return await this.ask({ kind: 'tcp', address, port });
  }

  async udp(socket: string, address: string, port: number): Promise<Answer> {
    return await this.ask({ kind: 'udp', socket, address, port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
