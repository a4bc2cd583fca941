import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { UPSTREAM_PORTS } from '../../../model/index.ts';
import type { Cgroup } from '../../libbpf-ts/testing/cgroup.ts';

const SOURCE = fileURLToPath(new URL('transparent-proxy.c', import.meta.url));

export interface ProxySlot {
  readonly direction: 'ingress' | 'egress';
  readonly port: number;
}

/** A listener that takes a Service, and has one backend for it. */
export interface ProxyService {
  readonly port: number;
  readonly backend: { readonly addresses: readonly [ipv4: string, ipv6: string]; readonly port: number };
}

/** @param path where the program is to be, for `TransparentProxy.start` */
export function compileProxy(path: string): void {
  execFileSync('clang', ['-O1', '-pthread', '-o', path, SOURCE], { stdio: 'inherit' });
}

/** The ports of listeners, of connections as {@link TransparentProxy.connections} lists them. */
export function portsOf(connections: readonly string[]): readonly number[] {
  return connections.map((connection) => Number(connection.split(' ')[0]));
}

function argumentsOf(listener: ProxySlot | ProxyService): readonly string[] {
  const isSlot = 'direction' in listener;
  const { first, last } = UPSTREAM_PORTS[isSlot ? listener.direction : 'services'];
  const what = isSlot ? listener.direction : ['to', ...listener.backend.addresses, listener.backend.port].join('/');
  return [what, listener.port, first, last].map(String);
}

/** Stands for Envoy on the node: it lets everything through and tells of each connection. */
export class TransparentProxy implements AsyncDisposable {
  readonly #connections: string[] = [];
  readonly #process: ChildProcess;
  readonly #waiting: (() => void)[] = [];

  private constructor(child: ChildProcess, lines: Interface) {
    this.#process = child;
    lines.on('line', (line) => {
      if (line === 'told') this.#waiting.shift()?.();
      else if (line !== 'ready') this.#connections.push(line);
    });
  }

  /** @param cgroup where its sockets are to be. Default: where this process is */
  static async start(program: string, listeners: readonly (ProxySlot | ProxyService)[], cgroup?: Cgroup): Promise<TransparentProxy> {
    const command = 'exec setpriv --pdeathsig KILL "$@"';
    const script = cgroup?.within(command) ?? command;
    const child = spawn('sh', ['-c', script, 'sh', program, ...listeners.flatMap(argumentsOf)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout });
    const proxy = new TransparentProxy(child, lines);
    const ready = Promise.race([once(lines, 'line'), once(child, 'exit').then(() => Promise.reject(new Error('the proxy has ended')))]);
    await ready;
    return proxy;
  }

  /** Connections that it has accepted, each as `PORT CLIENT/PORT DESTINATION/PORT`, in their order. */
  async connections(): Promise<readonly string[]> {
    const told = Promise.withResolvers<void>();
    this.#waiting.push(told.resolve);
    this.#process.stdin?.write('\n');
    await told.promise;
    return [...this.#connections];
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
