/** What one check found. */
export interface CheckResult {
  /** Such as `kernel`; stable, for machines. */
  readonly name: string;
  /** A warning stands in the way of something, or may later; a failure of Sluice itself. */
  readonly result: 'ok' | 'warning' | 'failed';
  /** One line. */
  readonly found: string;
  /** What to do; absent where all is well. */
  readonly todo?: string;
}

export function ok(name: string, found: string): CheckResult {
  return { name, result: 'ok', found };
}

export function warning(name: string, found: string, todo: string): CheckResult {
  return { name, result: 'warning', found, todo };
}

export function failed(name: string, found: string, todo: string): CheckResult {
  return { name, result: 'failed', found, todo };
}
