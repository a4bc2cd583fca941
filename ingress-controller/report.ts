import type { Diagnostic, FieldPath, ObjectRef } from '../model/index.ts';
import { DIAGNOSTIC_CODES, type DiagnosticCode } from './codes.ts';

/** Makes one finding; its severity is that of its code. */
export function diagnose(object: ObjectRef, path: FieldPath, code: DiagnosticCode, message: string): Diagnostic {
  return { severity: DIAGNOSTIC_CODES[code].severity, code, message, object, path };
}

/** Collects the findings about one object while it is ingested. */
export class Report {
  readonly object: ObjectRef;
  readonly #diagnostics: Diagnostic[] = [];

  constructor(object: ObjectRef) {
    this.object = object;
  }

  add(path: FieldPath, code: DiagnosticCode, message: string): void {
    this.#diagnostics.push(diagnose(this.object, path, code, message));
  }

  get diagnostics(): readonly Diagnostic[] {
    return this.#diagnostics;
  }
}
