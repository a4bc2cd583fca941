import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { RunningLab } from '../lab/index.ts';
import { addressOf } from './pods.ts';
import { readReport, reportingPod } from './reporting-pod.ts';

const PROGRAM = fileURLToPath(new URL('load-program.ts', import.meta.url));

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
  const env = { SERVER: address, ALLOWED_PORT: allowedPort, STREAM_PORT: streamPort, DENIED_PORT: deniedPort };
  return reportingPod({ name, node, program: PROGRAM, env });
}

/** What a pod says of its load. */
export async function readLoad(lab: RunningLab, pod: string, node: string): Promise<Load> {
  return await readReport(lab, await addressOf(lab, pod), node, loadView);
}
