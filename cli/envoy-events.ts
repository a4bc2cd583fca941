import type { EnvoyEvent, ExternalEnvoyEvent } from '../agent/index.ts';
import type { LogEntry } from './log.ts';

const REPLACED_BECAUSE = {
  'configuration-changed': 'it was started with other settings',
  'not-answering': 'it does not answer',
  draining: 'it is on its way to stop',
} as const;

/** What happens to Envoy, as a line. */
export function envoyEntry(event: EnvoyEvent): LogEntry {
  const { level, text } = describe(event);
  return { level, event: 'envoy', text, fields: { envoy: event } };
}

/** The same for an Envoy that another process runs. */
export function externalEnvoyEntry(event: ExternalEnvoyEvent): LogEntry {
  const { level, text } = describeExternal(event);
  return { level, event: 'envoy', text, fields: { envoy: event } };
}

function describeExternal(event: ExternalEnvoyEvent): Pick<LogEntry, 'level' | 'text'> {
  switch (event.kind) {
    case 'ready':
      return { level: 'info', text: `Envoy ${event.version} serves, up ${event.uptimeSeconds} s` };
    case 'away':
      return { level: 'error', text: 'Envoy does not answer any more' };
    case 'replacing':
      return { level: 'warn', text: `Envoy is to be started anew: ${REPLACED_BECAUSE[event.reason]}` };
    case 'version-mismatch':
      return { level: 'warn', text: `Envoy is ${event.version}, and this Sluice was made for ${event.expected}; it is used` };
  }
}

function describe(event: EnvoyEvent): Pick<LogEntry, 'level' | 'text'> {
  switch (event.kind) {
    case 'started':
      return { level: 'info', text: `started Envoy ${event.version}, pid ${event.pid}` };
    case 'adopted':
      return { level: 'info', text: `adopted the running Envoy ${event.version}, pid ${event.pid}: it went on serving` };
    case 'replacing':
      return { level: 'warn', text: `replacing the running Envoy, pid ${event.pid}: ${REPLACED_BECAUSE[event.reason]}` };
    case 'ready':
      return { level: 'info', text: `pid ${event.pid} serves` };
    case 'exited':
      return { level: 'error', text: `pid ${event.pid} ended ${howItEnded(event)}: ${event.lines.at(-1) ?? 'it said nothing'}` };
    case 'restarting':
      return { level: 'warn', text: event.inMs === 0 ? 'starting it again' : `starting it again in ${event.inMs} ms` };
    case 'start-failed':
      return { level: 'error', text: `could not be started: ${event.message}` };
    case 'stopping':
      return { level: 'info', text: `stopping pid ${event.pid}; open requests have ${event.drainMs / 1000} s to finish` };
    case 'stopped':
      return event.by === undefined
        ? { level: 'error', text: `pid ${event.pid} cannot be ended` }
        : { level: 'info', text: `pid ${event.pid} has ended` };
  }
}

function howItEnded({ code, signal }: Extract<EnvoyEvent, { kind: 'exited' }>): string {
  if (signal !== undefined) return `by ${signal}`;
  return code === undefined ? 'for an unknown reason' : `with code ${code}`;
}
