import { type ChildProcess, spawn } from 'node:child_process';
import type { TestPod } from './pod-network.ts';

/** A program of Node's that serves in a pod until it is disposed of. */
export class PodServer implements Disposable {
  readonly #process: ChildProcess;

  /** @param script as `node -e` takes it */
  constructor({ enter }: Pick<TestPod, 'enter'>, script: string) {
    const [command = '', ...args] = [...enter, 'setpriv', '--pdeathsig', 'KILL', process.execPath, '-e', script];
    this.#process = spawn(command, args, { stdio: 'inherit' });
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }
}
