import WebSocket from 'ws';
import { z } from 'zod';
import { errorOfStatus } from './answer-error.ts';
import { ApiError } from './api-error.ts';
import type { ApiServerClient } from './api-server-client.ts';
import { tryDecodeJson } from './json-lines.ts';

export interface ExecOptions {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
  /** How long it may take as a whole, in milliseconds. Default 10 s. */
  readonly withinMs?: number;
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  /** Of the command; undefined where it could not be run, and `stderr` ends with the reason. */
  readonly exitCode: number | undefined;
}

/** What comes in which channel, by the first byte of each message. */
const CHANNELS = { stdout: 1, stderr: 2, status: 3 } as const;
/** A reader that is told of more than this is told nothing. */
const MAX_BYTES = 64 * 1024 * 1024;
/** What version 5 has and version 4 has not, closing standard input, is not needed. */
const PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];

const execStatus = z.object({
  status: z.string().optional(),
  message: z.string().optional(),
  details: z.object({ causes: z.array(z.object({ reason: z.string().optional(), message: z.string().optional() })).optional() }).optional(),
});

/**
 * Runs a command in a container, without standard input, and waits for its end.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ (connect exec)
 * @throws ApiError where the API server does not let it happen
 */
export async function execInPod(client: ApiServerClient, options: ExecOptions): Promise<ExecResult> {
  const { namespace, pod, container, command, withinMs = 10_000 } = options;
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/exec`;
  const query = new URLSearchParams([
    ['container', container],
    ['stdout', 'true'],
    ['stderr', 'true'],
    ...command.map((argument): [string, string] => ['command', argument]),
  ]);
  const { server, headers, tls } = await client.connection();
  const socket = new WebSocket(`${server.replace(/^http/, 'ws')}${path}?${query}`, PROTOCOLS, {
    ...tls,
    finishRequest: (request) => {
      for (const [name, value] of Object.entries(headers)) request.setHeader(name, value);
      request.end();
    },
    handshakeTimeout: withinMs,
    maxPayload: MAX_BYTES,
  });
  const timer = setTimeout(() => socket.terminate(), withinMs);
  try {
    return await converse(socket, path);
  } finally {
    clearTimeout(timer);
    socket.terminate();
  }
}

async function converse(socket: WebSocket, path: string): Promise<ExecResult> {
  const heard = new Map<number, Buffer[]>();
  return await new Promise<ExecResult>((resolve, reject) => {
    socket.on('unexpected-response', (_request, { statusCode = 0 }) => reject(errorOfStatus(statusCode, undefined, path)));
    socket.on('error', (cause) => reject(new ApiError('unreachable', `${path}: ${cause.message}`, { cause })));
    let bytes = 0;
    socket.on('message', (data: Buffer) => {
      bytes += data.length;
      if (bytes > MAX_BYTES) {
        reject(new ApiError('server-error', `${path}: the command wrote more than ${MAX_BYTES} bytes`));
        return socket.terminate();
      }
      const [channel = 0] = data;
      const parts = heard.get(channel) ?? [];
      heard.set(channel, parts);
      parts.push(data.subarray(1));
    });
    socket.on('close', () => {
      const textOf = (channel: number) => Buffer.concat(heard.get(channel) ?? []).toString('utf8');
      const status = textOf(CHANNELS.status);
      if (status === '') return reject(new ApiError('unreachable', `${path}: the connection ended before the command did`));
      const result = resultOf(textOf(CHANNELS.stdout), textOf(CHANNELS.stderr), status);
      if (result) resolve(result);
      else reject(new ApiError('server-error', `${path}: how the command ended is not told in a way that can be read`));
    });
  });
}

/** @returns undefined where the text is no Status */
function resultOf(stdout: string, stderr: string, text: string): ExecResult | undefined {
  const read = execStatus.safeParse(tryDecodeJson(text));
  if (!read.success) return undefined;
  const { status, message = '', details } = read.data;
  if (status === 'Success') return { stdout, stderr, exitCode: 0 };
  const code = details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message;
  return code === undefined ? { stdout, stderr: `${stderr}${message}`, exitCode: undefined } : { stdout, stderr, exitCode: Number(code) };
}
