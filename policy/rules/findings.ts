import type { Diagnostic, FieldPath, ObjectRef } from '../../model/index.ts';
import type { DiagnosticCode } from '../codes.ts';
import { diagnose } from '../report.ts';

/** Collects what is found in a policy while it is ingested. */
export class Findings {
  readonly object: ObjectRef;
  readonly #diagnostics: Diagnostic[] = [];
  #isRefused = false;

  constructor(object: ObjectRef) {
    this.object = object;
  }

  /** Whether the policy is wrong, so that nothing of it may allow anything. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  get diagnostics(): readonly Diagnostic[] {
    return this.#diagnostics;
  }

  refuse(path: FieldPath, message: string): void {
    this.#isRefused = true;
    this.add(path, 'InvalidPolicy', message);
  }

  add(path: FieldPath, code: DiagnosticCode, message: string): void {
    this.#diagnostics.push(diagnose(this.object, path, code, message));
  }
}
