import { createHash } from 'node:crypto';
import { realpathSync, statSync } from 'node:fs';
import type { Settings } from '../settings/index.ts';

/** Time, level, logger, text: no source file or thread, which say nothing to who does not read Envoy's code. */
const LOG_FORMAT = '%Y-%m-%dT%T.%e%z [%l] [%n] %v';

/**
 * Below these levels, the logger that warns of every failed attempt to reach the control plane, several a second for as long
 * as it is away, tells errors only. Its other warnings are of refused resources, which the control plane is told anyway.
 */
const DETAILED: ReadonlySet<string> = new Set(['trace', 'debug']);

/**
 * Envoy's arguments.
 * @see https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/cli
 */
export function envoyArguments(bootstrapPath: string, settings: Settings['envoy']): readonly string[] {
  return [
    ...['--config-path', bootstrapPath],
    // Hot restart shares memory by number, so that two Envoys on a machine would meet.
    '--disable-hot-restart',
    ...['--drain-time-s', String(Math.ceil(settings.drainTime / 1000))],
    // Answers ask clients to leave from the beginning of the drain time on, not with a probability that grows.
    ...['--drain-strategy', 'immediate'],
    // Who reads the access log as it is written waits for this long; Envoy's default is 10 s.
    ...['--file-flush-interval-msec', '1000'],
    ...['--log-level', settings.logLevel],
    ...(DETAILED.has(settings.logLevel) ? [] : ['--component-log-level', 'config:error']),
    ...['--log-format', LOG_FORMAT],
    // A message is a line, so that the last lines are the last messages.
    '--log-format-escaped',
    ...(settings.concurrency === undefined ? [] : ['--concurrency', String(settings.concurrency)]),
  ];
}

/**
 * Equal for two starts that would give the same Envoy. The binary goes in by place, size and time: it has 100 MB, and who
 * replaces it changes those.
 */
export function fingerprintStart(start: { readonly binary: string; readonly args: readonly string[]; readonly bootstrap: string }): string {
  const path = realpathSync(start.binary);
  const { size, mtimeMs } = statSync(path);
  return createHash('sha256')
    .update(JSON.stringify([path, size, mtimeMs, start.args, start.bootstrap]))
    .digest('hex');
}
