import type { z } from 'zod';
import type { RunningLab } from '../lab/index.ts';
import { ask } from './hear.ts';

/** Where a pod that puts load on another says what came of it, as JSON to whoever connects. */
const REPORT_PORT = 9000;

export interface ReportingPod {
  readonly name: string;
  readonly node: string;
  /** The program of its only container, which is told where to report by `REPORT_PORT`. */
  readonly program: string;
  readonly env: Readonly<Record<string, string | number>>;
}

/** A pod that puts load on another, beginning with its start, and tells of it. */
export function reportingPod({ name, node, program, env }: ReportingPod): object {
  const main = {
    name: 'main',
    image: 'lab/host:1',
    command: [process.execPath, program],
    env: envOf({ ...env, REPORT_PORT }),
    readinessProbe: { tcpSocket: { port: REPORT_PORT }, periodSeconds: 1 },
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: 'load' } },
    spec: { nodeName: node, terminationGracePeriodSeconds: 0, containers: [main] },
  };
}

/** Asks from the pod's own node, which no policy keeps out. */
export async function readReport<T>(lab: RunningLab, address: string, node: string, view: z.ZodType<T>): Promise<T> {
  const [answers] = await ask(lab, `@${node}`, { host: address, port: REPORT_PORT });
  return view.parse(JSON.parse(answers?.[0] ?? ''));
}

/** Variables of a container. */
export function envOf(values: Readonly<Record<string, string | number>>): object[] {
  return Object.entries(values).map(([name, value]) => ({ name, value: `${value}` }));
}
