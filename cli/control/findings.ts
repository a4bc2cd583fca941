import { type Diagnostic, formatObject } from '../../model/index.ts';
import type { LogEntry } from '../log.ts';
import { describeDiagnostic } from '../text/diagnostics.ts';
import { formatLocation, formatSource, type Locate } from '../text/place.ts';

const EVENTS = { error: 'refused', warning: 'warning', info: 'note' } as const;

/** Tells what is wrong once, when it becomes so, and once more when it no longer is. */
export class FindingsLog {
  #known = new Map<string, Diagnostic>();

  /** @returns entries for what came and went since the last call */
  update(diagnostics: readonly Diagnostic[], locate: Locate): LogEntry[] {
    const current = new Map(diagnostics.map((diagnostic) => [identityOf(diagnostic), diagnostic]));
    const entries: LogEntry[] = [];
    for (const [key, diagnostic] of this.#known) if (!current.has(key)) entries.push(resolvedEntry(diagnostic));
    for (const [key, diagnostic] of current) if (!this.#known.has(key)) entries.push(findingEntry(diagnostic, locate));
    this.#known = current;
    return entries;
  }
}

/** Without its place: a finding that merely moved to another line is not a new one. */
function identityOf({ code, object, path, message, location }: Diagnostic): string {
  return JSON.stringify([code, object ?? location?.file, path, message]);
}

function findingEntry(diagnostic: Diagnostic, locate: Locate): LogEntry {
  const { severity, code, object, path } = diagnostic;
  const location = diagnostic.location ?? (object && locate(object, path));
  return {
    level: severity === 'error' ? 'error' : severity === 'warning' ? 'warn' : 'info',
    event: EVENTS[severity],
    text: `${location ? `${formatLocation(location)}  ` : ''}${describeDiagnostic(diagnostic)}  [${code}]`,
    fields: { ...diagnostic, location },
  };
}

function resolvedEntry(diagnostic: Diagnostic): LogEntry {
  const { object, path, code, location } = diagnostic;
  const where = object ? formatSource({ object, path }, () => undefined) : location ? formatLocation(location) : '';
  return {
    level: 'info',
    event: 'resolved',
    text: `${where}  [${code}]`,
    fields: { code, path, ...(object && { object, name: formatObject(object) }) },
  };
}
