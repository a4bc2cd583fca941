import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { RunningLab } from '../lab/index.ts';
import { ask } from './hear.ts';
import { addressOf } from './pods.ts';

const PROGRAM = fileURLToPath(new URL('load-program.ts', import.meta.url));
const REPORT_PORT = 9000;

/** What became of connections that a pod opens all the time. */
export interface Load {
  /** New connections that were answered. */
  allowed: number;
  /** Attempts that were given up. */
  denied: number;
  /** How many bytes each stream has received. */
  readonly streams: number[];
  /** What was allowed and failed, and what was denied and did not. */
  readonly failures: string[];
}

const loadView = z.object({ allowed: z.int(), denied: z.int(), streams: z.array(z.int()), failures: z.array(z.string()) });

export interface LoadTarget {
  readonly address: string;
  readonly allowedPort: number;
  readonly streamPort: number;
  readonly deniedPort: number;
}

/** A pod that puts load on another, beginning with its start. */
export function loadPod(name: string, node: string, { address, allowedPort, streamPort, deniedPort }: LoadTarget): object {
  const env = { SERVER: address, ALLOWED_PORT: allowedPort, STREAM_PORT: streamPort, DENIED_PORT: deniedPort, REPORT_PORT };
  const main = {
    name: 'main',
    image: 'lab/host:1',
    command: [process.execPath, PROGRAM],
    env: Object.entries(env).map(([key, value]) => ({ name: key, value: `${value}` })),
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
export async function readLoad(lab: RunningLab, pod: string, node: string): Promise<Load> {
  const [answers] = await ask(lab, `@${node}`, { host: await addressOf(lab, pod), port: REPORT_PORT });
  return loadView.parse(JSON.parse(answers?.[0] ?? ''));
}
