import { native, type Pointer } from './native.ts';

/** Of each program; memory that nothing is written to costs nothing. The verifier's logs can have megabytes. */
const LOG_BYTES = 16 * 1024 * 1024;

/** What the verifier says while an object is loaded, program by program. It writes only where it refuses one. */
export class VerifierLogs implements Disposable {
  readonly #logs: readonly { readonly program: string; readonly memory: Pointer }[];

  constructor(programs: readonly Pointer[]) {
    const lib = native();
    this.#logs = programs.map((program) => {
      const memory = lib.allocate(LOG_BYTES);
      lib.clear(memory);
      lib.setProgramLog(program, memory, LOG_BYTES);
      return { program: lib.programName(program), memory };
    });
  }

  /** The program that was refused, and why, if one was. */
  find(): { readonly program: string; readonly verifierLog: string } | undefined {
    for (const { program, memory } of this.#logs) {
      const verifierLog = native().textAt(memory, LOG_BYTES);
      if (verifierLog !== '') return { program, verifierLog };
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    for (const { memory } of this.#logs) native().free(memory);
  }
}
