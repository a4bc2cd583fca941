import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dump, loadAll } from 'js-yaml';
import { z } from 'zod';
import { eventually } from '../../testkit/eventually.ts';
import { NetnsLab, type Node, type Pod, processIn } from '../lab/netns/index.ts';

const EXAMPLES = new URL('../../manifests/examples/', import.meta.url);
const SLUICE = fileURLToPath(new URL('../../cli/bin/sluice', import.meta.url));
const BACKEND = fileURLToPath(new URL('backend-program.ts', import.meta.url));
const NODE = 'node-1';
/** Processes of the lab have numbers of their own, by which Sluice looks for itself. */
const WITH_OWN_PROC = ['unshare', '--mount', 'sh', '-ec', 'mount -t proc proc /proc; exec "$0" "$@"'];
/** What the log says. */
const READY = /"event":"ready","address"/;
const ENFORCED = /"event":"enforced"/;

const podView = z.looseObject({ kind: z.literal('Pod'), metadata: z.looseObject({ name: z.string() }), spec: z.looseObject({}) });

/** What one command came to. */
export interface Asked {
  /** 0 where there was an answer. */
  readonly exitCode: number;
  /** Of both streams. */
  readonly output: string;
}

/**
 * A node with a Sluice that enforces policies, and the pods of an example, in network namespaces:
 *
 *     await using stage = await Stage.open('starwars', ['deathstar']);
 */
export class Stage implements AsyncDisposable {
  readonly #lab: NetnsLab;
  readonly #folder: string;
  readonly #example: string;
  #sluice: ChildProcess | undefined;
  #log = '';

  private constructor(lab: NetnsLab, folder: string, example: string) {
    this.#lab = lab;
    this.#folder = folder;
    this.#example = example;
  }

  /** @param servers pods that answer HTTP on port 80 */
  static async open(example: string, servers: readonly string[]): Promise<Stage> {
    const lab = await NetnsLab.start({ network: 'routed', nodes: 1, podsPerNode: 0 });
    const folder = mkdtempSync(join(tmpdir(), 'sluice-demo-'));
    const stage = new Stage(lab, folder, example);
    try {
      await stage.#start(servers);
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
    return stage;
  }

  addressOf(pod: string): string {
    return this.#lab.pod(pod).addresses.ipv4;
  }

  /**
   * Puts a file of the example in force, in place of what `as` was before.
   * @param as default: its own name
   */
  async apply(file: string, as = file): Promise<void> {
    const from = this.#log.length;
    writeFileSync(join(this.#folder, 'manifests', as), readFileSync(new URL(`${this.#example}/${file}`, EXAMPLES)));
    await this.#logged(ENFORCED, from);
  }

  /** Runs curl in a pod, with a limit of three seconds. */
  async curl(pod: string, args: readonly string[]): Promise<Asked> {
    return await finished(this.#lab.pod(pod).spawn(['curl', '-s', '-m', '3', ...args], { stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  /** Ends enforcement and removes it from the node's kernel. */
  async cleanUp(): Promise<Asked> {
    await this.#stopSluice();
    return await finished(
      this.#node.spawn([SLUICE, 'enforcer', 'cleanup', '--pin-folder', this.#pinFolder, '--network-state', join(this.#folder, 'network')], {
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopSluice();
    await this.#lab.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #node(): Node {
    return this.#lab.node(NODE);
  }

  get #pinFolder(): string {
    return `${this.#node.bpfFolder}/sluice`;
  }

  async #start(servers: readonly string[]): Promise<void> {
    const pods = readPods(this.#example);
    await this.#lab.addPods(...pods.map(({ metadata: { name } }) => ({ name, node: NODE })));
    const placed = pods.map((pod) => ({
      ...pod,
      spec: { ...pod.spec, nodeName: NODE },
      status: statusOf(this.#lab.pod(pod.metadata.name)),
    }));
    mkdirSync(join(this.#folder, 'manifests'));
    writeFileSync(join(this.#folder, 'manifests', 'pods.yaml'), placed.map((pod) => dump(pod)).join('---\n'));
    await Promise.all(servers.map((name) => this.#serve(name)));
    await this.#startSluice();
  }

  async #serve(name: string): Promise<void> {
    const server = this.#lab.pod(name).spawn([process.execPath, BACKEND, '80'], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (server.stdout) await once(server.stdout, 'data');
  }

  async #startSluice(): Promise<void> {
    const { rootCgroup } = this.#node;
    const folders = ['--manifests', join(this.#folder, 'manifests'), '--state-dir', join(this.#folder, 'state')];
    const place = [
      '--node-name',
      NODE,
      '--pin-folder',
      this.#pinFolder,
      '--network-state',
      join(this.#folder, 'network'),
      '--cgroup',
      rootCgroup,
    ];
    const sluice = this.#node.spawn([...WITH_OWN_PROC, SLUICE, 'run', '--enforce', '--log-format', 'json', ...folders, ...place], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#sluice = sluice;
    for (const stream of [sluice.stdout, sluice.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text;
      });
    }
    await this.#logged(READY, 0);
    await this.#logged(ENFORCED, 0);
  }

  async #logged(pattern: RegExp, from: number): Promise<void> {
    await eventually(() => {
      if (this.#sluice?.exitCode !== null || !pattern.test(this.#log.slice(from))) throw new Error(`sluice says:\n${this.#log}`);
    });
  }

  async #stopSluice(): Promise<void> {
    const sluice = this.#sluice;
    if (!sluice) return;
    this.#sluice = undefined;
    if (sluice.exitCode !== null) return;
    const exit = once(sluice, 'exit');
    process.kill(await processIn(sluice), 'SIGTERM');
    await exit;
  }
}

function readPods(example: string) {
  return loadAll(readFileSync(new URL(`${example}/pods.yaml`, EXAMPLES), 'utf8')).map((document) => podView.parse(document));
}

function statusOf({ addresses }: Pod) {
  return { podIPs: Object.values(addresses).map((ip) => ({ ip })) };
}

async function finished(child: ChildProcess): Promise<Asked> {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [exitCode] = await once(child, 'close');
  return { exitCode: Number(exitCode), output };
}
