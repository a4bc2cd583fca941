import type { Diagnostic, FieldPath, ObjectRef } from '../model/index.ts';
import { DIAGNOSTIC_CODES, type DiagnosticCode } from './codes.ts';

/** Makes one finding; its severity is that of its code. */
export function diagnose(object: ObjectRef, path: FieldPath, code: DiagnosticCode, message: string): Diagnostic {
  return { severity: DIAGNOSTIC_CODES[code].severity, code, message, object, path };
}
