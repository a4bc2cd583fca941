import type { Path } from '../messages/path.ts';
import type { Privilege } from './privileged/privilege.ts';

/** A place where a config says what it may not. */
export interface PrivilegedUse {
  /** Of the message or field. */
  readonly path: Path;
  /** As an operator would list it: the full name of a message, or `Message.field`. */
  readonly what: string;
  /** Says of it, in a clause that begins with "it" or a noun, why. */
  readonly why: string;
  /** No list lets it in. */
  readonly never: boolean;
}

export function useOf(what: string, { why, never = false }: Privilege | { why: string; never?: boolean }, path: Path): PrivilegedUse {
  return { path, what, why, never };
}
