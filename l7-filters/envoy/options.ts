import type { HttpOptions } from '../../model/index.ts';
import type { SecretValue } from './secrets.ts';

/** What translation depends on besides the slot. */
export interface SlotOptions {
  /** As of listeners for Ingresses. */
  readonly http: Pick<HttpOptions, 'streamIdleTimeoutMs' | 'pathNormalization' | 'headersWithUnderscores'>;
  /** The largest program of a regular expression that Envoys are set to take, in instructions of RE2. */
  readonly regexMaxProgramSize: number;
  /** Default: no value is known, so a rule that needs one allows nothing. */
  readonly secretValue?: SecretValue;
}
