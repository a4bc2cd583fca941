import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BpfError } from './error.ts';
import { native } from './native.ts';

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
  // What cannot be found out is not known to be missing.
  const lacking = (types: readonly { readonly type: number }[], probe: (type: number) => number) =>
    [...new Set(types.map(({ type }) => type))].filter((type) => probe(type) === 0);
  return [
    ...lacking(programs, lib.probeProgramType).map((type) => `programs of the type ${lib.programTypeName(type) ?? type}`),
    ...lacking(maps, lib.probeMapType).map((type) => `maps of the type ${lib.mapTypeName(type) ?? type}`),
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

function answer(what: string, result: number): boolean {
  if (result >= 0) return result > 0;
  throw new BpfError('probe-failed', `it cannot be found out whether the kernel has ${what}`, { errno: -result });
}
