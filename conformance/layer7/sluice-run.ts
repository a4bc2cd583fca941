import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { eventually } from '../../testkit/eventually.ts';
import { type Node, processIn, WITH_OWN_PROC } from '../lab/netns/index.ts';

export interface SluiceRunOptions {
  /** Watched by it. */
  readonly manifests: string;
  /** For all that it keeps, outlives it, and is this node's alone. */
  readonly folder: string;
  /** The program that is its Envoy. Default: the one of the set-up. */
  readonly envoy?: string;
  /** That Ingresses are served on. Default: loopback. */
  readonly address?: string;
  /** What differs from the settings by default. */
  readonly settings?: object;
  /** Told each line of its log. */
  readonly onLine?: (line: string) => void;
}

/** As much of an entry of the log as is looked at. */
const entryView = z.object({
  event: z.string(),
  msg: z.string(),
  /** Of `enforced`: how many changes are not in force. */
  newer: z.int().optional(),
  envoy: z.object({ kind: z.string(), pid: z.int().optional() }).optional(),
});
type Entry = z.infer<typeof entryView>;

export const SLUICE = fileURLToPath(new URL('../../cli/bin/sluice', import.meta.url));
/** Two processes with a start each, on a machine that has others. */
const STARTS_WITHIN = { withinMs: 60_000 };

/** `sluice run --enforce` on a node of a lab. */
export class SluiceRun {
  readonly #node: Node;
  readonly #options: SluiceRunOptions;
  readonly #process: ChildProcess;
  readonly #entries: Entry[] = [];
  /** The ends of what it has said on each stream, without a line's end. */
  readonly #unread: Record<'stdout' | 'stderr', string> = { stdout: '', stderr: '' };

  private constructor(node: Node, options: SluiceRunOptions) {
    this.#node = node;
    this.#options = options;
    // Pods and nodes of tests serve on the ports that it has by default.
    const ports = ['--http-port', '18080', '--https-port', '18443'];
    const args = ['run', '--enforce', ...ports, '--log-format', 'json', '--manifests', options.manifests, ...this.#placeOptions()];
    if (options.address !== undefined) args.push('--address', options.address);
    if (options.settings) args.push('--config', settingsFile(options.folder, options.settings));
    const own = ['--node-name', node.name, '--state-dir', join(options.folder, 'state'), '--cgroup', node.rootCgroup];
    const program = options.envoy === undefined ? [] : ['env', `SLUICE_ENVOY=${options.envoy}`];
    this.#process = node.spawn([...program, ...WITH_OWN_PROC, SLUICE, ...args, ...own], { stdio: ['ignore', 'pipe', 'pipe'] });
    // Envoy says on the first what it denied.
    for (const stream of ['stdout', 'stderr'] as const) {
      this.#process[stream]?.setEncoding('utf8').on('data', (text: string) => this.#read(stream, text));
    }
  }

  /** Resolves when it serves and has policies in force; all of them, where they have not changed since. */
  static async start(node: Node, options: SluiceRunOptions): Promise<SluiceRun> {
    const run = new SluiceRun(node, options);
    await run.#logged(({ event, msg }) => event === 'ready' && msg.startsWith('http'), 0, STARTS_WITHIN);
    await run.#logged(({ event }) => event === 'enforced', 0, STARTS_WITHIN);
    return run;
  }

  /** How much it has said; for {@link SluiceRun.enforced}. */
  get said(): number {
    return this.#entries.length;
  }

  /** Resolves when all policies are in force that changed since it had said so much. */
  async enforced(since: number): Promise<void> {
    await this.#logged(({ event, newer }) => event === 'enforced' && newer === 0, since);
  }

  /** Ends as `kill -9` does; Envoy goes on. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Ends it as a user does; Envoy ends with it, and what is in force stays. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Removes what it left in the kernel. @returns what it says @throws LabError */
  async cleanUp(): Promise<string> {
    return await this.#node.run([...WITH_OWN_PROC, SLUICE, 'enforcer', 'cleanup', ...this.#placeOptions()]);
  }

  /** Ends its Envoy as `kill -9` does. */
  async killEnvoy(): Promise<void> {
    await this.#node.run(['kill', '-9', String(this.#envoyPid)]);
  }

  /** Resident memory of its Envoy, in bytes. */
  async envoyMemory(): Promise<number> {
    const status = await this.#node.run([...WITH_OWN_PROC, 'cat', `/proc/${this.#envoyPid}/status`]);
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
    if (kilobytes === undefined) throw new Error(`no VmRSS in ${status}`);
    return Number(kilobytes) * 1024;
  }

  get #envoyPid(): number {
    const pid = this.#entries.findLast(({ envoy }) => envoy?.pid !== undefined)?.envoy?.pid;
    if (pid === undefined) throw new Error('there is no Envoy');
    return pid;
  }

  #placeOptions(): string[] {
    return ['--pin-folder', `${this.#node.bpfFolder}/sluice`, '--network-state', join(this.#options.folder, 'network')];
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    process.kill(await processIn(this.#process), signal);
    await exit;
  }

  async #logged(isIt: (entry: Entry) => boolean, since: number, within = {}): Promise<void> {
    await eventually(() => {
      if (this.#entries.slice(since).some(isIt)) return;
      const said = this.#entries.map(({ event, msg }) => `${event}: ${msg}`).join('\n');
      throw new Error(`${this.#process.exitCode === null ? 'it says' : 'it ended, and said'}:\n${said}\n${this.#unread.stderr}`);
    }, within);
  }

  #read(stream: 'stdout' | 'stderr', text: string): void {
    const lines = (this.#unread[stream] + text).split('\n');
    this.#unread[stream] = lines.pop() ?? '';
    for (const line of lines) {
      this.#options.onLine?.(line);
      const entry = line.startsWith('{') ? entryView.safeParse(JSON.parse(line)).data : undefined;
      if (entry) this.#entries.push(entry);
      else this.#entries.push({ event: 'other', msg: line });
    }
  }
}

function settingsFile(folder: string, settings: object): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'sluice.yaml');
  writeFileSync(path, JSON.stringify(settings));
  return path;
}
