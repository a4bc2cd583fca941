import type { CiliumEnvoyConfig, CiliumEnvoyConfigStatus } from '../../kube/index.ts';
import type { ConfigState } from '../pipeline/config-states.ts';
import type { Progress } from './progress.ts';

export type LastAccepted = NonNullable<CiliumEnvoyConfigStatus['lastAccepted']>;

export interface Memory {
  /** Absent where there is nothing to be remembered. */
  readonly lastAccepted?: LastAccepted;
  /** Whether there is no room for it. */
  readonly isTooLarge: boolean;
}

/** API servers take 1.5 MiB; what else is in an object, such as who has written which field, is the rest. */
const MAX_BYTES = 1024 * 1024;

/**
 * What the object itself is to remember, so that it is in force again after everything was restarted while `spec` is wrong: the version in
 * force, once no Envoy that has told refuses it and one has it, or there is none; what it remembers already until then. Copies that are refused are half
 * made of policies, which are others' to mend.
 */
export function memoryOf(object: CiliumEnvoyConfig, { good }: Pick<ConfigState, 'good'>, progress: Progress): Memory {
  const present = object.status?.lastAccepted;
  const keep: Memory = { ...(present && { lastAccepted: present }), isTooLarge: false };
  if (!good || good.generation === undefined || good.generation === present?.generation || !isProven(progress)) return keep;
  const { generation, spec = {} } = good;
  if (bytesOf(object.metadata.annotations) + bytesOf(object.spec) + bytesOf(spec) > MAX_BYTES) return { isTooLarge: true };
  return { lastAccepted: { generation, spec }, isTooLarge: false };
}

function isProven({ total, programmed, lackingCopies, waiting, silent, refused }: Progress): boolean {
  return refused.every(({ isCopy }) => isCopy) && waiting.length === silent && (programmed + lackingCopies > 0 || total === 0);
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value) ?? '');
}
