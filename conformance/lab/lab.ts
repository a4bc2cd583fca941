import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../testkit/eventually.ts';
import { freePort } from '../../testkit/ports.ts';
import { type NodeAddresses, nodeAddresses } from './addresses.ts';
import { containerBinary, labBinary } from './binary.ts';
import type { ImageRow } from './images/table.ts';
import { LabError } from './lab-error.ts';
import { prepareState } from './prepare.ts';
import { RunningLab } from './running-lab.ts';
import { claimState, identityOf, readRecord, stateRoot, writeRecord } from './state.ts';

export interface LabOptions {
  /** Default: 1. At most 100. */
  readonly nodes?: number;
  /** Default: one that no other lab has. */
  readonly name?: string;
  /** Images beside those that every lab has, which they take precedence over; or what makes them, told a folder that ends with the lab. */
  readonly images?: readonly ImageRow[] | ((folder: string) => Promise<readonly ImageRow[]>);
  /** Where state folders are. Default: {@link stateRoot}. */
  readonly stateRoot?: string;
  /** Whether the lab goes on after this process. Default: false. */
  readonly outlives?: boolean;
  /** Is told what is being done. */
  readonly report?: (what: string) => void;
}

const MOST_NODES = 100;
const STARTS_WITHIN_MS = 60_000;
const LONGEST_REASON = 10_000;
let labs = 0;

/**
 * Starts a cluster with nodes, in namespaces of its own, and waits until every node is ready. It ends with this process, however that
 * ends, unless it is to outlive it; nothing is left of it then.
 *
 *     await using lab = await startLab({ nodes: 2 });
 * @throws LabError
 */
export async function startLab(options: LabOptions = {}): Promise<RunningLab> {
  if (process.getuid?.() !== 0) throw new LabError('not-root', 'the lab makes namespaces and mounts: run it as root');
  const { nodes: count = 1, images = [], report = () => {} } = options;
  if (!Number.isInteger(count) || count < 1 || count > MOST_NODES) throw new LabError('refused', `1 to ${MOST_NODES} nodes`);
  const binary = await labBinary(report);
  const container = await containerBinary(report);
  labs += 1;
  const name = options.name ?? `test-${process.pid}-${labs}`;
  const nodes = Array.from({ length: count }, (_, index) => nodeAddresses(index + 1));
  const folder = claimState(options.stateRoot ?? stateRoot(), name);
  const port = await freePort();
  const credentials = await prepareState(folder, { name, nodes, images: await rowsOf(images, folder), port });
  const keeper = startKeeper([binary, 'keep', '--state', folder, '--container', container], folder, options.outlives ?? false);
  const record = { name, nodes: count, port, keeper: identityOf(keeper.process.pid ?? 0) };
  writeRecord(folder, record);
  const lab = new RunningLab({ record, folder, binary, credentials });
  try {
    await Promise.race([bringUp(lab, nodes, report), keeper.ended]);
    return lab;
  } catch (error) {
    const reason = new LabError('not-ready', lab.describeFailure(), { cause: error });
    await lab.down();
    throw reason;
  }
}

async function rowsOf(images: NonNullable<LabOptions['images']>, folder: string): Promise<readonly ImageRow[]> {
  if (typeof images !== 'function') return images;
  const own = join(folder, 'images');
  mkdirSync(own);
  return await images(own);
}

interface Keeper {
  readonly process: ChildProcess;
  /** Rejects when it has ended, with what it said. */
  readonly ended: Promise<never>;
}

function startKeeper([binary, ...args]: readonly [string, ...string[]], folder: string, outlives: boolean): Keeper {
  // The file is gone when the keeper has ended, and what it said is still to be read.
  const log = openSync(join(folder, 'log', 'keeper.log'), 'a+');
  // The other end of a pipe that ends with this process tells the keeper that its owner is gone.
  const env = outlives ? process.env : { ...process.env, SLUICE_LAB_OWNED: '1' };
  const stdio = [outlives ? 'ignore' : 'pipe', log, log] as const;
  const keeper = spawn(binary, args, { env, stdio: [...stdio], detached: true });
  keeper.stdin?.on('error', () => {});
  keeper.unref();
  const ended = once(keeper, 'exit').then(() => {
    const said = Buffer.alloc(LONGEST_REASON);
    const length = readSync(log, said, 0, LONGEST_REASON, 0);
    closeSync(log);
    throw new LabError('ended', `the lab has ended: ${said.toString('utf8', 0, length)}`);
  });
  ended.catch(() => {});
  return { process: keeper, ended };
}

/** The API server first, since all others only wait for it. */
async function bringUp(lab: RunningLab, nodes: readonly NodeAddresses[], report: (what: string) => void): Promise<void> {
  report('starting the API server');
  await eventually(() => lab.control.processes(), { withinMs: STARTS_WITHIN_MS });
  const runtimes = nodes.map(({ name }) => `cri-${name}`);
  await lab.start('etcd', 'kube-apiserver', ...runtimes);
  await lab.untilReady();
  report('starting the nodes');
  await lab.createInitialObjects(nodes);
  const onNodes = nodes.flatMap(({ name }) => [`kubelet-${name}`, `kube-proxy-${name}`]);
  await lab.start(...onNodes, 'kube-controller-manager', 'kube-scheduler', 'dns', 'loadbalancer');
  await lab.untilNodesReady(STARTS_WITHIN_MS);
}

/** A lab that another process has started. @throws LabError `not-found` */
export async function findLab(name: string, root: string = stateRoot()): Promise<RunningLab> {
  const folder = join(root, name);
  const record = readRecord(folder, name);
  const read = (file: string) => readFileSync(join(folder, 'etc', 'pki', file), 'utf8');
  const credentials = { authority: read('ca.crt'), certificate: read('admin.crt'), privateKey: read('admin.key') };
  return new RunningLab({ record, folder, binary: await labBinary(), credentials });
}
