import type { HttpOptions } from '../../model/index.ts';

/** What translation depends on besides the slot. */
export interface SlotOptions {
  /** As of listeners for Ingresses. */
  readonly http: Pick<HttpOptions, 'streamIdleTimeoutMs' | 'pathNormalization' | 'headersWithUnderscores'>;
  /** The largest program of a regular expression that Envoys are set to take, in instructions of RE2. */
  readonly regexMaxProgramSize: number;
}
