import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { eventually } from '../../testkit/eventually.ts';
import type { RunningLab } from '../lab/index.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const SYSTEM = 'sluice-system';
/** Of admin endpoints. */
const PORTS = { enforcer: 15_011, agent: 15_010 } as const;
const WITHIN = { withinMs: 120_000 };

const metricsView = z.object({ packets: z.array(z.object({ outcome: z.string(), packets: z.int() })) });

/** What enforces policies on a node of a lab: a process that can be taken away. */
export class EnforcerProcess {
  readonly #lab: RunningLab;
  readonly #node: string;

  constructor(lab: RunningLab, node: string) {
    this.#lab = lab;
    this.#node = node;
  }

  /** Resolves when all that its agent says is in force, by a process that began after some moment. @param since of `Date.now()` */
  async untilInForce(since = 0, component: keyof typeof PORTS = 'enforcer'): Promise<void> {
    await eventually(async () => {
      const command = ['curl', '-s', '-m', '5', `http://127.0.0.1:${PORTS[component]}/status`];
      const { stdout } = await this.#lab.run(command, { where: this.#node });
      const status: { readonly ready: boolean; readonly since: string } = JSON.parse(stdout);
      assert.ok(status.ready && Date.parse(status.since) > since, stdout);
    }, WITHIN);
  }

  /** Kills it at once. The kubelet starts another in the same pod, the first time at once. */
  async kill(component: keyof typeof PORTS = 'enforcer'): Promise<void> {
    const pod = await this.#pod(component);
    const [first] = await this.#lab.containerProcesses(SYSTEM, pod, component);
    assert.ok(first, `${pod} does not run`);
    await this.#lab.signal(first.pid, 'SIGKILL');
  }

  /** Takes its pod away as an upgrade does; another one comes. */
  async replace(): Promise<void> {
    await this.#lab.kubectl('-n', SYSTEM, 'delete', 'pod', await this.#pod('enforcer'), '--wait=false');
  }

  /** Why packets were dropped until now, and how many, other than that no rule allows them: whoever sends them again hides that. */
  async otherDrops(): Promise<readonly string[]> {
    const command = [process.execPath, MAIN, 'bpf', 'metrics', '-o', 'json'];
    const { stdout } = await this.#lab.run(command, { where: this.#node, mounts: true });
    const { packets } = metricsView.parse(JSON.parse(stdout));
    return packets
      .filter(({ outcome }) => /^dropped-(?!not-allowed$)/.test(outcome))
      .map(({ outcome, packets: count }) => `${outcome} ${count}`);
  }

  async #pod(component: string): Promise<string> {
    return await eventually(async () => {
      const selection = ['-l', `app.kubernetes.io/component=${component}`, '--field-selector', `spec.nodeName=${this.#node}`];
      const path = '{range .items[?(@.status.phase=="Running")]}{.metadata.name}{"\\n"}{end}';
      const [pod = ''] = (await this.#lab.kubectl('-n', SYSTEM, 'get', 'pods', ...selection, '-o', `jsonpath=${path}`)).split('\n');
      assert.notEqual(pod, '', `no ${component} is on ${this.#node}`);
      return pod;
    }, WITHIN);
  }
}
