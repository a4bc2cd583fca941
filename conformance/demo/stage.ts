import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dump, loadAll } from 'js-yaml';
import { z } from 'zod';
import { NetnsLab, type Node } from '../lab/netns/index.ts';
import { SluiceRun } from '../layer7/sluice-run.ts';
import { statusOf } from '../layer7/steered-lab.ts';

const EXAMPLES = new URL('../../manifests/examples/', import.meta.url);
const BACKEND = fileURLToPath(new URL('backend-program.ts', import.meta.url));
const NODE = 'node-1';

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
  #sluice: SluiceRun | undefined;

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
    const since = this.#sluice?.said ?? 0;
    writeFileSync(join(this.#manifests, as), readFileSync(new URL(`${this.#example}/${file}`, EXAMPLES)));
    await this.#sluice?.enforced(since);
  }

  /** Runs curl in a pod, with a limit of three seconds. */
  async curl(pod: string, args: readonly string[]): Promise<Asked> {
    return await finished(this.#lab.pod(pod).spawn(['curl', '-s', '-m', '3', ...args], { stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  /** Ends enforcement and removes it from the node's kernel. @returns what the command says @throws LabError where it fails */
  async cleanUp(): Promise<string> {
    await this.#sluice?.stop();
    return (await this.#sluice?.cleanUp()) ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sluice?.stop();
    await this.#lab.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #node(): Node {
    return this.#lab.node(NODE);
  }

  get #manifests(): string {
    return join(this.#folder, 'manifests');
  }

  async #start(servers: readonly string[]): Promise<void> {
    const pods = readPods(this.#example);
    await this.#lab.addPods(...pods.map(({ metadata: { name } }) => ({ name, node: NODE })));
    const placed = pods.map((pod) => ({
      ...pod,
      spec: { ...pod.spec, nodeName: NODE },
      status: statusOf(this.#lab.pod(pod.metadata.name)),
    }));
    mkdirSync(this.#manifests);
    writeFileSync(join(this.#manifests, 'pods.yaml'), placed.map((pod) => dump(pod)).join('---\n'));
    await Promise.all(servers.map((name) => this.#serve(name)));
    this.#sluice = await SluiceRun.start(this.#node, { manifests: this.#manifests, folder: this.#folder });
  }

  async #serve(name: string): Promise<void> {
    const server = this.#lab.pod(name).spawn([process.execPath, BACKEND, '80'], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (server.stdout) await once(server.stdout, 'data');
  }
}

function readPods(example: string) {
  return loadAll(readFileSync(new URL(`${example}/pods.yaml`, EXAMPLES), 'utf8')).map((document) => podView.parse(document));
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
