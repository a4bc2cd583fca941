import { type Logger, pino } from 'pino';

export type LogFormat = 'pretty' | 'json';

/** Something that happened, for people and for machines. */
export interface LogEntry {
  readonly level: 'info' | 'warn' | 'error';
  /** One word, by which entries are found: `changed`, `refused`, `ready`. */
  readonly event: string;
  /** One line. */
  readonly text: string;
  /** The same for machines. Never what is secret. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

export type Log = (entry: LogEntry) => void;

const EVENT_WIDTH = 10;

/**
 * Writes to standard error, one line an entry: standard output is Envoy's, for its access log. Written before the call
 * returns, so that the last words of a process are not lost.
 */
export function createLog(format: LogFormat): Log {
  if (format === 'json') return jsonLog();
  return ({ event, text }) => void process.stderr.write(`${event.padEnd(EVENT_WIDTH)}${oneLine(text)}\n`);
}

function jsonLog(): Log {
  const logger: Logger = pino(
    { base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    pino.destination({ dest: 2, sync: true }),
  );
  return ({ level, event, text, fields }) => logger[level]({ event, ...fields }, text);
}

/** What others wrote, such as an object's name or Envoy's words, must not make up lines of its own. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}
