import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../testkit/eventually.ts';
import type { RunningLab } from '../lab/index.ts';
import { LabError } from '../lab/lab-error.ts';
import { type Asked, heardView } from './asked.ts';
import { podOf } from './pods.ts';

const PROGRAM = fileURLToPath(new URL('ask-program.ts', import.meta.url));
const WITHIN_MS = 60_000;

/** Who asks (a pod, or `@` and a place of the lab), where, and what is heard. */
export type Expectation = readonly [from: string, to: Asked, heard: string];

/** What is heard where something is asked, see {@link heardView}. @param from a pod, or `@` and a place of the lab */
export async function ask(lab: RunningLab, from: string, ...asked: readonly Asked[]): Promise<readonly (readonly string[])[]> {
  const command = [process.execPath, PROGRAM, JSON.stringify(asked)];
  return heardView.parse(JSON.parse(await (from.startsWith('@') ? runAt(lab, from.slice(1), command) : runIn(lab, from, command))));
}

/** Resolves once all that is expected was heard at once, and what is denied still is. */
export async function untilHeard(lab: RunningLab, ...expectations: readonly Expectation[]): Promise<void> {
  await eventually(async () => assert.deepEqual(await hearAll(lab, expectations), expectations.map(lineOf)), { withinMs: WITHIN_MS });
  await assertHeard(lab, ...expectations.filter(([, , heard]) => heard === 'timeout'));
}

/** @throws AssertionError where anything else is heard at this moment */
export async function assertHeard(lab: RunningLab, ...expectations: readonly Expectation[]): Promise<void> {
  assert.deepEqual(await hearAll(lab, expectations), expectations.map(lineOf));
}

async function hearAll(lab: RunningLab, expectations: readonly Expectation[]): Promise<readonly string[]> {
  const byAsker = Map.groupBy(expectations, ([from]) => from);
  const heard = new Map(
    await Promise.all([...byAsker].map(async ([from, all]) => [from, await ask(lab, from, ...all.map(([, to]) => to))] as const)),
  );
  return expectations.map((expectation) => {
    const [from, to] = expectation;
    const index = byAsker.get(from)?.indexOf(expectation) ?? -1;
    return lineOf([from, to, [...new Set(heard.get(from)?.[index])].sort().join(' ')]);
  });
}

function lineOf([from, { host, port, protocol = 'TCP', http }, heard]: Expectation): string {
  const what = http ? ` ${http.method ?? 'GET'} ${http.path}` : '';
  return `${from} → ${host}:${port}/${protocol}${what}: ${heard}`;
}

async function runIn(lab: RunningLab, pod: string, command: readonly string[]): Promise<string> {
  const { namespace, name } = podOf(pod);
  return await lab.kubectl('-n', namespace, 'exec', name, '-c', 'main', '--', ...command);
}

async function runAt(lab: RunningLab, where: string, command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await lab.run(command, { where });
  if (code !== 0) throw new LabError('command-failed', `${command.join(' ')} at ${where}: ${stderr}`);
  return stdout;
}
