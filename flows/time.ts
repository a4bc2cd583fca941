import { create } from '@bufbuild/protobuf';
import { type Duration, type Timestamp, TimestampSchema } from '@bufbuild/protobuf/wkt';

const SECOND = 1_000_000_000n;

/** @param time nanoseconds since 1970 */
export function timestamp(time: bigint): Timestamp {
  return create(TimestampSchema, { seconds: time / SECOND, nanos: Number(time % SECOND) });
}

/** Of a time: since 1970. */
export function nanosecondsOf({ seconds, nanos }: Pick<Timestamp | Duration, 'seconds' | 'nanos'>): bigint {
  return seconds * SECOND + BigInt(nanos);
}

/** Nanoseconds since 1970, by the system's clock. */
export function systemTime(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
