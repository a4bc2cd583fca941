/** What an operator has to mend: a field of the settings, and what is wrong there. */
export class ExportError extends Error {
  override readonly name = 'ExportError';
  readonly field: string;

  constructor(field: string, message: string) {
    super(`${field}: ${message}`);
    this.field = field;
  }
}
