import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Cgroup } from '../../libbpf-ts/testing/cgroup.ts';

const SOURCE = fileURLToPath(new URL('marked-talker.c', import.meta.url));
/** What Envoy's sockets for backends of Ingresses have. */
const MARK = 'd00';

export interface TalkerPlace {
  /** Default: none. */
  readonly cgroup?: Cgroup;
  /** What a command begins with that is to run there. Default: it runs here. */
  readonly enter?: readonly string[];
  /** Of its socket, in hexadecimal digits; with a priority after a slash, if it is to have one. Default: as Envoy's have it for Ingresses. */
  readonly mark?: string;
  /** An address that its socket is bound to, anybody's. Default: the kernel finds one. */
  readonly source?: string;
}

/** @param path where the program is to be, for {@link MarkedTalker.open} */
export function compileTalker(path: string): void {
  execFileSync('clang', ['-o', path, SOURCE], { stdio: 'inherit' });
}

/** A connection as Envoy opens it for Ingresses, or of anybody. */
export class MarkedTalker implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #lines: Interface;
  readonly #ended: Promise<string>;

  private constructor(child: ChildProcess, lines: Interface) {
    this.#process = child;
    this.#lines = lines;
    this.#ended = once(lines, 'close').then(() => 'gone');
  }

  /** @param to an address, or two with a comma between them, the second by the same socket once it has left the first @returns it with its own address, or the name of an error, such as `EPERM` and `timeout` */
  static async open(program: string, place: TalkerPlace, to: string, port: number): Promise<{ talker: MarkedTalker; said: string }> {
    const { cgroup, enter = [], mark = MARK, source = '' } = place;
    const command = `exec setpriv --pdeathsig KILL ${[...enter, program].join(' ')} ${mark} ${to} ${port} ${source}`;
    const script = cgroup?.within(command) ?? command;
    const child = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    const talker = new MarkedTalker(child, createInterface({ input: child.stdout }));
    return { talker, said: await talker.#line() };
  }

  /** @returns the line that came back, or the name of an error, such as `timeout`; `end`: of the connection; `gone`: it was never open */
  async ask(line: string): Promise<string> {
    this.#process.stdin?.write(`${line}\n`);
    return await this.#line();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  async #line(): Promise<string> {
    return await Promise.race([once(this.#lines, 'line').then(([line]) => String(line)), this.#ended]);
  }
}
