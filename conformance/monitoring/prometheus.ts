import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { z } from 'zod';
import { PROMETHEUS } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { type Node, processIn } from '../lab/netns/index.ts';
import type { HttpPeer } from '../layer7/http-peer.ts';

const PORT = 9090;

const answerView = z.object({
  status: z.literal('success'),
  data: z.object({
    result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
});
const rulesView = z.object({
  data: z.object({
    groups: z.array(z.object({ rules: z.array(z.object({ name: z.string(), health: z.string(), lastError: z.string().optional() })) })),
  }),
});
const targetsView = z.object({ data: z.object({ activeTargets: z.array(z.object({ health: z.string(), lastError: z.string() })) }) });

export interface PrometheusOptions {
  /** Ports of loopback to scrape, by the name of their job. */
  readonly targets: Readonly<Record<string, number>>;
  /** A file of alert rules. */
  readonly rules: string;
  /** For all that it keeps. */
  readonly folder: string;
}

/** A Prometheus on a node of a lab, which scrapes every second. */
export class Prometheus implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #peer: HttpPeer;
  #said = '';

  private constructor(child: ChildProcess, peer: HttpPeer) {
    this.#process = child;
    this.#peer = peer;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
  }

  /** @param peer of the same node. Resolves when all targets have been scraped. */
  static async start(node: Node, peer: HttpPeer, { targets, rules, folder }: PrometheusOptions): Promise<Prometheus> {
    const config = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [rules],
      scrape_configs: Object.entries(targets).map(([job_name, port]) => ({
        job_name,
        static_configs: [{ targets: [`127.0.0.1:${port}`] }],
      })),
    };
    const file = join(folder, 'prometheus.yaml');
    writeFileSync(file, dump(config));
    const options = [`--config.file=${file}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${PORT}`];
    const prometheus = new Prometheus(node.spawn([PROMETHEUS, ...options], { stdio: ['ignore', 'ignore', 'pipe'] }), peer);
    await eventually(
      async () => {
        const found = targetsView.parse(await prometheus.#ask('/api/v1/targets')).data.activeTargets;
        if (found.length === Object.keys(targets).length && found.every(({ health }) => health === 'up')) return;
        throw new Error(`${JSON.stringify(found)}\n${prometheus.#said}`);
      },
      { withinMs: 60_000 },
    );
    return prometheus;
  }

  /** The numbers that a query comes to at present; what is not a number is left out. */
  async query(expression: string): Promise<readonly number[]> {
    const { data } = answerView.parse(await this.#ask(`/api/v1/query?query=${encodeURIComponent(expression)}`));
    return data.result.map(({ value }) => Number(value[1])).filter((value) => !Number.isNaN(value));
  }

  /** How its rules fare, by their names: `ok`, or what went wrong. */
  async ruleHealth(): Promise<ReadonlyMap<string, string>> {
    const { groups } = rulesView.parse(await this.#ask('/api/v1/rules')).data;
    return new Map(groups.flatMap(({ rules }) => rules.map(({ name, health, lastError }) => [name, lastError || health])));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    process.kill(await processIn(this.#process), 'SIGTERM');
    await exit;
  }

  async #ask(path: string): Promise<unknown> {
    const answer = await this.#peer.ask({ to: '127.0.0.1', port: PORT, path, timeoutMs: 10_000 });
    if ('failed' in answer) throw new Error(`Prometheus does not answer ${path}: ${answer.failed}\n${this.#said}`);
    return JSON.parse(answer.body);
  }
}
