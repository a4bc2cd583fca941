import type { FieldPath } from '../../model/index.ts';
import { contains, type Prefix, parsePrefix } from '../addresses/prefix.ts';
import type { Findings } from './findings.ts';

/** A prefix and those inside of it that are not meant. */
export interface AddressBlock {
  readonly within: Prefix;
  readonly except: readonly Prefix[];
}

/** `10.0.0.0/8`; undefined, and a problem, for anything else. */
export function ingestCidr(text: string, path: FieldPath, findings: Findings): Prefix | undefined {
  const prefix = text.includes('/') ? parsePrefix(text) : undefined;
  if (!prefix) findings.refuse(path, `must be an IP prefix such as 10.0.0.0/8, not ${JSON.stringify(text)}`);
  return prefix;
}

/** Like {@link ingestCidr}, and an address alone stands for itself. */
export function ingestAddressOrCidr(text: string, path: FieldPath, findings: Findings): Prefix | undefined {
  const prefix = parsePrefix(text);
  if (!prefix) findings.refuse(path, `must be an IP address or prefix such as 10.0.0.0/8, not ${JSON.stringify(text)}`);
  return prefix;
}

/**
 * A prefix with exceptions, which must lie inside of it.
 * @param paths where the two stand
 */
export function ingestBlock(
  cidr: string,
  except: readonly string[],
  paths: { readonly cidr: FieldPath; readonly except: FieldPath },
  findings: Findings,
): AddressBlock | undefined {
  const within = ingestCidr(cidr, paths.cidr, findings);
  const exceptions = except.flatMap((text, index) => {
    const path = [...paths.except, index];
    const prefix = ingestCidr(text, path, findings);
    if (!prefix || !within || contains(within, prefix)) return prefix ?? [];
    findings.refuse(path, `must lie inside of ${cidr}, not be ${JSON.stringify(text)}`);
    return [];
  });
  return within ? { within, except: exceptions } : undefined;
}
