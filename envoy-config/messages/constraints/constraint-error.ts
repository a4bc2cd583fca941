/** Descriptors that say something that is not understood here, as those of another Envoy may. A test finds it before anybody else does. */
export class ConstraintError extends Error {
  readonly code = 'rule-not-known';

  constructor(message: string) {
    super(message);
    this.name = 'ConstraintError';
  }
}
