import { compareText } from './compare-text.ts';
import type { FieldPath, Location, ObjectRef } from './provenance.ts';

/** `error`: something the user asked for is not served. `warning`: served, but not as written or not for long. `info`: worth knowing. */
export type Severity = 'error' | 'warning' | 'info';

/**
 * A finding about what a user wrote. Findings are values, never exceptions: the smallest unit that is wrong is left out
 * and told about, and its neighbours stay in force.
 */
export interface Diagnostic {
  readonly severity: Severity;
  /** Stable, in PascalCase (`ServiceNotFound`), listed with its meaning in docs/diagnostics.md. */
  readonly code: string;
  /** One sentence without a final full stop; names the offending value, never the content of a Secret. */
  readonly message: string;
  /** Absent only where no object could be read, as in a file that is not YAML. */
  readonly object?: ObjectRef;
  /** The field inside the object; empty for the object as a whole. */
  readonly path: FieldPath;
  /** Filled in at the edge, for objects that come from files. */
  readonly location?: Location;
}

/** What users are told of a code in docs/diagnostics.md. */
export interface DiagnosticCodeEntry {
  readonly severity: Severity;
  /** What it means for traffic. */
  readonly meaning: string;
}

/** Orders diagnostics by object, then field, then code, so that equal input is reported in equal order. */
export function compareDiagnostics(a: Diagnostic, b: Diagnostic): number {
  return compareText(sortKey(a), sortKey(b));
}

function sortKey(diagnostic: Diagnostic): string {
  const { object, location, path, code, message } = diagnostic;
  const owner = object ? `${object.kind}/${object.namespace}/${object.name}` : '';
  const place = location ? `${location.file}:${String(location.line).padStart(8, '0')}` : '';
  return [owner, place, path.map((part) => String(part).padStart(6, '0')).join('.'), code, message].join('\0');
}
