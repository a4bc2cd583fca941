import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BpfError } from './error.ts';
import { native } from './native.ts';

const EPERM = 1;
const CAP_SYS_ADMIN = 21n;
/** CAP_NET_ADMIN, CAP_PERFMON and CAP_BPF. */
const FOR_EVERY_TYPE = [12n, 38n, 39n];

/**
 * Whether this kernel has programs of a type, as `enum bpf_prog_type` numbers them. It is found by loading one.
 * @throws BpfError `probe-failed`, as without the rights to load one
 */
export function supportsProgramType(type: number): boolean {
  return answer(`programs of the type ${type}`, native().probeProgramType(type));
}

/** The same for maps, see `MapType`. */
export function supportsMapType(type: number): boolean {
  return answer(`maps of the type ${type}`, native().probeMapType(type));
}

/** What an object needs of the kernel that it has not, in words. */
export function missingFor(programs: readonly { readonly type: number }[], maps: readonly { readonly type: number }[]): readonly string[] {
  const lib = native();
  const lacking = (types: readonly { readonly type: number }[], supports: (type: number) => boolean) =>
    [...new Set(types.map(({ type }) => type))].filter((type) => ifKnown(() => supports(type)) === false);
  return [
    ...lacking(programs, supportsProgramType).map((type) => `programs of the type ${lib.programTypeName(type) ?? type}`),
    ...lacking(maps, supportsMapType).map((type) => `maps of the type ${lib.mapTypeName(type) ?? type}`),
  ];
}

/** Where the kernel tells what can be probed. */
const PROBES = '/sys/bus/event_source/devices';

/** What a program of a section needs to be attached, and this kernel has not, in words. */
export function missingToAttach(section: string): readonly string[] {
  const kind = /^(?:k(?:ret)?probe|ksyscall|kretsyscall)\b/.test(section)
    ? 'kprobe'
    : /^u(?:ret)?probe\b/.test(section)
      ? 'uprobe'
      : undefined;
  return kind === undefined || existsSync(join(PROBES, kind)) ? [] : [`${kind}s`];
}

/** What a probe says; undefined where it cannot be found out. */
export function ifKnown<T>(probe: () => T): T | undefined {
  try {
    return probe();
  } catch (error) {
    if (error instanceof BpfError && error.code === 'probe-failed') return undefined;
    throw error;
  }
}

function answer(what: string, result: number): boolean {
  if (result > 0) return true;
  // libbpf says the same of what the kernel has not and of what this process may not.
  const errno = result === 0 ? (hasEveryRight() ? 0 : EPERM) : -result;
  if (errno === 0) return false;
  throw new BpfError('probe-failed', `it cannot be found out whether the kernel has ${what}`, { errno });
}

/** Whether it may load programs and maps of every type. */
function hasEveryRight(): boolean {
  const [, effective = '0'] = /^CapEff:\s*(\w+)$/m.exec(readFileSync('/proc/thread-self/status', 'utf8')) ?? [];
  const has = (capability: bigint) => ((BigInt(`0x${effective}`) >> capability) & 1n) === 1n;
  return has(CAP_SYS_ADMIN) || FOR_EVERY_TYPE.every(has);
}
