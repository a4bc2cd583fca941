import type { HttpOptions, Tracing } from '../../model/index.ts';
import type { SecretValue } from './secrets.ts';

/** What translation depends on besides the slot. */
export interface SlotOptions {
  /** As of listeners for Ingresses. */
  readonly http: Pick<HttpOptions, 'streamIdleTimeoutMs' | 'pathNormalization' | 'headersWithUnderscores'>;
  /** The largest program of a regular expression that Envoys are set to take, in instructions of RE2. */
  readonly regexMaxProgramSize: number;
  /** Whether nodes are told of what passes, not only of what is denied. Default: they are not. */
  readonly logsRequests?: boolean;
  /** Default: no value is known, so a rule that needs one allows nothing. */
  readonly secretValue?: SecretValue;
  /** Absent: nothing is told of requests. */
  readonly tracing?: Tracing | undefined;
}
