/**
 * The clock of the programs: nanoseconds since the machine was started. What changes is written first and its time then, so that a
 * packet that was judged by what was before is known to have been judged earlier.
 */
export function now(): bigint {
  return process.hrtime.bigint();
}
