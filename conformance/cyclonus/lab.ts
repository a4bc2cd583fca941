import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { runToEnd } from '../lab/command.ts';
import { agnhostImage, type RunningLab } from '../lab/index.ts';
import { startPolicedCluster } from '../policy/policed-cluster.ts';
import type { Options } from './main.ts';
import { cyclonusBinary } from './program.ts';
import type { Cases } from './report.ts';
import { type CaseResult, type GeneratedCase, Transcript } from './transcript.ts';

const NODES = 2;
/** Of what cyclonus said last, where it fails. */
const SHOWN_LINES = 20;

/**
 * - SCTP is left out, since kernels without its module have no sockets of it.
 * - A pod may always reach itself, https://kubernetes.io/docs/concepts/services-networking/network-policies/, which cyclonus expects to be
 *   refused unless it is told to ignore it.
 * - Verdicts are in force long before a second has passed, and a probe that is refused waits for its whole time.
 */
const ARGS = [
  'generate',
  ...['--server-protocol', 'TCP,UDP'],
  '--ignore-loopback',
  ...['--perturbation-wait-seconds', '1', '--job-timeout-seconds', '1'],
];

export interface Run {
  readonly cases: Cases;
  readonly versions: Readonly<Record<string, string>>;
  readonly command: string;
  /** Why cyclonus has not come to its end, other than by its limit of time. */
  readonly failure: string | undefined;
}

export interface Listener {
  readonly report: (what: string) => void;
  readonly onResult: (result: CaseResult, total: number) => void;
}

/** Runs cyclonus in a lab with Sluice and its enforcement of policies, as the manifests install them. */
export async function runInLab(options: Options, { report, onResult }: Listener): Promise<Run> {
  const binary = await cyclonusBinary(report);
  const all = await generatedCases(binary);
  const images = [await agnhostImage(report)];
  await using lab = await startPolicedCluster(NODES, { images, report });
  const args = argumentsOf(options);
  const start = performance.now();
  // One pipe for both, so that what it logs stands between what it prints.
  const cyclonus = lab.spawn(['sh', '-c', 'exec "$@" 2>&1', 'sh', binary, ...args], {
    env: { ...process.env, KUBECONFIG: lab.clientKubeconfig },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let isOutOfTime = false;
  const transcript = new Transcript((result) => {
    onResult(result, transcript.cases.length);
    isOutOfTime = performance.now() - start > (options.withinMs ?? Number.POSITIVE_INFINITY);
    if (isOutOfTime) cyclonus.kill();
  });
  const failure = await readToEnd(cyclonus, transcript, options.transcript);
  const cases = { all, chosen: transcript.cases, results: transcript.results };
  const command = ['cyclonus', ...args.map((arg) => (arg === '' ? "''" : arg))].join(' ');
  return { cases, versions: await versionsOf(lab), command, failure: isOutOfTime ? undefined : failure };
}

/** All, whichever are chosen: without a cluster, cyclonus only says what there is. */
async function generatedCases(binary: string): Promise<readonly GeneratedCase[]> {
  const { code, stdout, stderr } = await runToEnd([binary, ...ARGS, '--exclude', '', '--mock', '--dry-run'], {});
  if (code !== 0) throw new Error(`cyclonus generates no cases: ${stderr}`);
  const transcript = new Transcript();
  for (const line of stdout.split('\n')) transcript.addLine(line);
  return transcript.cases;
}

function argumentsOf({ include, exclude, destination }: Options): readonly string[] {
  return [...ARGS, '--destination-type', destination, '--include', include.join(','), '--exclude', exclude.join(',')];
}

/** @param file gets all of it, too @returns what it said last, where it failed */
async function readToEnd(cyclonus: ChildProcess, transcript: Transcript, file: string | undefined): Promise<string | undefined> {
  if (cyclonus.stdout === null) throw new TypeError('what cyclonus says cannot be read');
  const ended = once(cyclonus, 'exit');
  const copy = file === undefined ? undefined : createWriteStream(file);
  const last: string[] = [];
  for await (const line of createInterface(cyclonus.stdout)) {
    copy?.write(`${line}\n`);
    last.push(line);
    if (last.length > SHOWN_LINES) last.shift();
    transcript.addLine(line);
  }
  copy?.end();
  const [code] = await ended;
  return code === 0 ? undefined : `cyclonus has failed:\n${last.join('\n')}`;
}

const versionView = z.object({ serverVersion: z.object({ gitVersion: z.string() }) });

async function versionsOf(lab: RunningLab): Promise<Readonly<Record<string, string>>> {
  const { serverVersion } = versionView.parse(JSON.parse(await lab.kubectl('version', '-o', 'json')));
  const path = '{range .items[*]}{.spec.template.spec.containers[*].image}{"\\n"}{end}';
  const images = await lab.kubectl('-n', 'sluice-system', 'get', 'deployments,daemonsets', '-o', `jsonpath=${path}`);
  const named = [...new Set(images.split(/\s+/).filter((image) => image !== ''))];
  return { Kubernetes: serverVersion.gitVersion, ...Object.fromEntries(named.map((image, index) => [`Image ${index + 1}`, image])) };
}
