import { compareDiagnostics, type Diagnostic, formatObject, formatPath, type Severity } from '../../model/index.ts';
import { formatFile, formatLocation, type Locate } from './place.ts';

export const SEVERITIES = ['error', 'warning', 'info'] as const satisfies readonly Severity[];

export type SeverityCounts = Readonly<Record<Severity, number>>;

export function countSeverities(diagnostics: readonly Diagnostic[]): SeverityCounts {
  const count = (severity: Severity) => diagnostics.filter((diagnostic) => diagnostic.severity === severity).length;
  return { error: count('error'), warning: count('warning'), info: count('info') };
}

/** Fills in the places of those that have none, and sorts by file, line and column; those without a file come last. */
export function locateDiagnostics(diagnostics: readonly Diagnostic[], locate: Locate): Diagnostic[] {
  const located = diagnostics.map((diagnostic) => {
    const location = diagnostic.location ?? (diagnostic.object && locate(diagnostic.object, diagnostic.path));
    return location ? { ...diagnostic, location } : diagnostic;
  });
  return located.sort((a, b) => comparePlaces(a, b) || compareDiagnostics(a, b));
}

function comparePlaces({ location: a }: Diagnostic, { location: b }: Diagnostic): number {
  if (!a || !b) return Number(!a) - Number(!b);
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}

/** `web.yaml:12:5 error ServiceNotFound Ingress default/web spec.rules[0]: message`. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { location, severity, code } = diagnostic;
  return [...(location ? [formatLocation(location)] : []), severity, code, describeDiagnostic(diagnostic)].join(' ');
}

/** The object and field, and what is wrong with it. */
export function describeDiagnostic({ object, path, message }: Diagnostic): string {
  const owner = [...(object ? [formatObject(object)] : []), ...(path.length > 0 ? [formatPath(path)] : [])].join(' ');
  return owner === '' ? message : `${owner}: ${message}`;
}

/** One line each, a blank line between files. Expects them sorted, as {@link locateDiagnostics} does. */
export function formatDiagnostics(diagnostics: readonly Diagnostic[]): string {
  let text = '';
  let file: string | undefined;
  for (const [index, diagnostic] of diagnostics.entries()) {
    const next = diagnostic.location ? formatFile(diagnostic.location.file) : '';
    if (index > 0 && next !== file) text += '\n';
    file = next;
    text += `${formatDiagnostic(diagnostic)}\n`;
  }
  return text;
}

/** `2 errors, 1 warning`; `nothing wrong` where there is none. */
export function formatCounts(counts: SeverityCounts): string {
  const parts = SEVERITIES.filter((severity) => counts[severity] > 0).map((severity) => {
    const count = counts[severity];
    return severity === 'info' ? `${count} for information` : plural(count, severity);
  });
  return parts.length === 0 ? 'nothing wrong' : parts.join(', ');
}

/** `1 object`, `2 objects`. */
export function plural(count: number, noun: string, several = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : several}`;
}
