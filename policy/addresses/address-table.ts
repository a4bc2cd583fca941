import type { AddressEntry, Identity } from '../../model/index.ts';
import { type Prefix, parsePrefix, truncate } from './prefix.ts';

/** Whose each address is: of several prefixes the longest decides. */
export class AddressTable {
  /** By family, length and bits. */
  readonly #identities = new Map<string, Identity>();

  put({ prefix, identity }: AddressEntry): void {
    const parsed = parsePrefix(prefix);
    if (parsed) this.#identities.set(tableKey(parsed), identity);
  }

  delete(prefix: string): void {
    const parsed = parsePrefix(prefix);
    if (parsed) this.#identities.delete(tableKey(parsed));
  }

  /** Undefined for what is no address, and where nothing is known of all addresses. */
  find(address: string): Identity | undefined {
    const parsed = parsePrefix(address);
    for (let length = parsed?.length ?? -1; parsed && length >= 0; length--) {
      const identity = this.#identities.get(tableKey(truncate(parsed, length)));
      if (identity !== undefined) return identity;
    }
    return undefined;
  }
}

function tableKey({ family, length, bits }: Prefix): string {
  return `${family}/${length}/${bits}`;
}
