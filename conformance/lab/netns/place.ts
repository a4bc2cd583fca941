import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { eventually } from '../../../testkit/eventually.ts';
import { LabError } from '../lab-error.ts';
import type { Keeper } from './keeper.ts';
import type { Addresses, PlannedNode, PlannedPod } from './plan.ts';
import { Prober } from './prober.ts';

/** Before a command that looks for itself in /proc: processes of the lab have numbers of their own, and /proc is of those outside. */
export const WITH_OWN_PROC = ['unshare', '--mount', 'sh', '-ec', 'mount -t proc proc /proc; exec "$0" "$@"'] as const;
const ENTER = 'echo 0 > "$0" && cd "$1" && shift && exec "$@"';

export interface PlaceParts {
  readonly name: string;
  readonly addresses: Addresses;
  /** The network namespace's name. */
  readonly network: string;
  /** Below the lab's own, such as `node-1/pods/a`. */
  readonly cgroup: string;
}

/** A network namespace and a control group in which programs run, with a prober. */
export class Place {
  readonly name: string;
  readonly addresses: Addresses;
  /** The folder of its control group, as programs in the lab see it. */
  readonly cgroup: string;
  readonly prober: Prober;
  readonly #keeper: Keeper;
  readonly #network: string;

  /** @param program the prober's path */
  constructor({ name, addresses, network, cgroup }: PlaceParts, keeper: Keeper, program: string) {
    this.name = name;
    this.addresses = addresses;
    this.#keeper = keeper;
    this.#network = network;
    this.cgroup = `${keeper.cgroup}/${cgroup}`;
    mkdirSync(pathOutside(keeper, this.cgroup), { recursive: true });
    this.prober = new Prober(this.spawn([program], { stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  /** The command that runs a command here, in the folder that this process is in. */
  command(command: readonly string[]): readonly [string, ...string[]] {
    return commandInside(this.#keeper, this.#network, ['sh', '-c', ENTER, `${this.cgroup}/cgroup.procs`, process.cwd(), ...command]);
  }

  /** Starts a program here, which ends with the lab. The process that is given is one outside that waits for it, see {@link processIn}. */
  spawn(command: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [program, ...args] = this.command(command);
    return spawn(program, args, options);
  }

  /** Runs a program to its end and gives its standard output. @throws LabError `command-failed` */
  async run(command: readonly string[], input = ''): Promise<string> {
    return await outputOf(this.spawn(command, { stdio: ['pipe', 'pipe', 'pipe'] }), input, command.join(' '));
  }
}

export class Node extends Place {
  readonly plan: PlannedNode;
  /** A folder of the BPF file system for nobody but this node, as programs in the lab see it. */
  readonly bpfFolder: string;

  constructor(plan: PlannedNode, keeper: Keeper, program: string) {
    super({ name: plan.name, addresses: plan.addresses, network: plan.name, cgroup: `${plan.name}/host` }, keeper, program);
    this.plan = plan;
    this.bpfFolder = `/sys/fs/bpf/${plan.name}`;
    mkdirSync(pathOutside(keeper, this.bpfFolder));
  }

  /** The control group of everything on this node, its pods too. */
  get rootCgroup(): string {
    return this.cgroup.replace(/\/host$/, '');
  }
}

export class Pod extends Place {
  readonly plan: PlannedPod;

  constructor(plan: PlannedPod, keeper: Keeper, program: string) {
    const network = plan.device === undefined ? plan.node.name : plan.name;
    super({ name: plan.name, addresses: plan.addresses, network, cgroup: `${plan.node.name}/pods/${plan.name}` }, keeper, program);
    this.plan = plan;
  }

  get node(): string {
    return this.plan.node.name;
  }

  /** Whether it is in the network of its node. */
  get isHostNetwork(): boolean {
    return this.plan.device === undefined;
  }
}

/** Where this process sees what programs in the lab see. */
export function pathOutside(keeper: Keeper, path: string): string {
  return `/proc/${keeper.pid}/root${path}`;
}

/** Runs lines of a shell that make or change namespaces. @throws LabError `command-failed` */
export async function runScript(keeper: Keeper, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  const namespaces = ['mnt', 'pid', 'net'].map((kind) => `--${kind === 'mnt' ? 'mount' : kind}=/proc/${keeper.pid}/ns/${kind}`);
  const child = spawn('nsenter', [...namespaces, 'sh', '-e'], { stdio: ['pipe', 'pipe', 'pipe'] });
  await outputOf(child, lines.join('\n'), 'a script of the lab');
}

/** The process in the lab that one outside waits for, as this process numbers it. */
export async function processIn(waiting: ChildProcess): Promise<number> {
  return await eventually(() => {
    const children = readFileSync(`/proc/${waiting.pid}/task/${waiting.pid}/children`, 'utf8').trim();
    if (children === '') throw new LabError('ended', 'there is no process');
    return Number(children.split(' ')[0]);
  });
}

function commandInside({ pid }: Keeper, network: string, command: readonly string[]): readonly [string, ...string[]] {
  const proc = `/proc/${pid}`;
  return ['nsenter', `--mount=${proc}/ns/mnt`, `--pid=${proc}/ns/pid`, `--net=${proc}/root/run/netns/${network}`, ...command];
}

async function outputOf(child: ChildProcess, input: string, what: string): Promise<string> {
  let output = '';
  let errors = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  child.stdin?.on('error', () => {}).end(input);
  const [code] = await once(child, 'close');
  if (code !== 0) throw new LabError('command-failed', `${what}: ${errors.trim() || `status ${code}`}`);
  return output;
}
