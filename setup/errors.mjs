/** A reason why a checkout cannot be set up, worded for who runs it: what is wrong, and the command or edit that mends it. */
export class SetupError extends Error {
  /**
   * @param {'system' | 'command' | 'node' | 'envoy-hash' | 'envoy-binary' | 'envoy-version' | 'types' | 'programs'} code
   * @param {string} message
   * @param {{ cause?: unknown }} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = 'SetupError';
    this.code = code;
  }
}

/** A command that could not be started or ended with another status than 0. */
export class CommandError extends SetupError {
  /**
   * @param {string} message
   * @param {string} output everything that the command wrote
   * @param {{ cause?: unknown }} [options]
   */
  constructor(message, output, options) {
    super('command', message, options);
    this.output = output;
  }
}
