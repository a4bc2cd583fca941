import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { RunningLab } from '../lab/index.ts';
import { envOf, readReport, reportingPod } from './reporting-pod.ts';

const SERVER = fileURLToPath(new URL('http-server-program.ts', import.meta.url));
const LOAD = fileURLToPath(new URL('http-load-program.ts', import.meta.url));
/** As long as it may take until nobody is led to a pod any more. */
const LINGER_MS = 3_000;

/** What of requests that a pod sends all the time. */
export interface HttpLoad {
  /** How many were answered as they are to be, by connections that are kept and by new ones. */
  readonly allowed: { kept: number; anew: number };
  readonly denied: { kept: number; anew: number };
  /** How many connections were opened to be kept. */
  connections: number;
  /** What was answered otherwise, or not at all. */
  readonly failures: string[];
}

const countsView = z.object({ kept: z.int(), anew: z.int() });
const loadView = z.object({ allowed: countsView, denied: countsView, connections: z.int(), failures: z.array(z.string()) });

/** The container of a pod that serves HTTP, and that the kubelet probes by it. */
export function httpServer(name: string, port: number): object {
  const httpGet = { port, path: '/healthz' };
  return {
    name: 'main',
    image: 'lab/host:1',
    command: [process.execPath, SERVER],
    env: envOf({ NAME: name, PORT: port, LINGER_MS }),
    readinessProbe: { httpGet, periodSeconds: 1, timeoutSeconds: 5 },
    livenessProbe: { httpGet, periodSeconds: 2, timeoutSeconds: 5 },
  };
}

export interface HttpLoadTarget {
  /** Without the scheme. */
  readonly authority: string;
  readonly allowedPath: string;
  readonly deniedPath: string;
  /** By which connections it asks: such that it keeps, and one for each request. Default: by both. */
  readonly kinds?: readonly ('kept' | 'anew')[];
  /** The same of requests that are denied. Default: those of the others. */
  readonly deniedKinds?: readonly ('kept' | 'anew')[];
}

/** A pod that asks another all the time, beginning with its start. */
export function httpLoadPod(
  name: string,
  node: string,
  { authority, allowedPath, deniedPath, kinds = ['kept', 'anew'], deniedKinds = kinds }: HttpLoadTarget,
): object {
  const kindsOf = { KINDS: kinds.join(), DENIED_KINDS: deniedKinds.join() };
  const env = { AUTHORITY: authority, ALLOWED_PATH: allowedPath, DENIED_PATH: deniedPath, ...kindsOf };
  return reportingPod({ name, node, program: LOAD, env });
}

/** What a pod says of its load. */
export async function readHttpLoad(lab: RunningLab, address: string, node: string): Promise<HttpLoad> {
  return await readReport(lab, address, node, loadView);
}
