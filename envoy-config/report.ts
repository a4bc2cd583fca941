import type { Diagnostic, FieldPath, ObjectRef } from '../model/index.ts';
import { type DiagnosticCode, diagnose } from './codes.ts';

/** Collects what is wrong with a config while it is read. */
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
