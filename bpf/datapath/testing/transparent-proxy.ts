import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('transparent-proxy.c', import.meta.url));

export interface ProxySlot {
  readonly direction: 'ingress' | 'egress';
  readonly port: number;
}

/** @param path where the program is to be, for `TransparentProxy.start` */
export function compileProxy(path: string): void {
  execFileSync('clang', ['-O1', '-pthread', '-o', path, SOURCE], { stdio: 'inherit' });
}

/** Stands for Envoy on the node: it lets everything through and tells of each connection. */
export class TransparentProxy implements AsyncDisposable {
  /** Each as `PORT CLIENT/PORT DESTINATION/PORT`, in the order in which they were accepted. */
  readonly connections: string[] = [];
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#process = child;
  }

  static async start(program: string, slots: readonly ProxySlot[]): Promise<TransparentProxy> {
    const args = slots.flatMap(({ direction, port }) => [direction, String(port)]);
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    const proxy = new TransparentProxy(child);
    const lines = createInterface({ input: child.stdout });
    const ready = Promise.race([once(lines, 'line'), once(child, 'exit').then(() => Promise.reject(new Error('the proxy has ended')))]);
    lines.on('line', (line) => {
      if (line !== 'ready') proxy.connections.push(line);
    });
    await ready;
    return proxy;
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** As when it crashes: its sockets are gone when this is done. */
  async kill(): Promise<void> {
    if (this.hasEnded) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
