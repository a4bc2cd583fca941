import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MapType, ObjectSpec, supportsMapType, supportsProgramType } from 'libbpf-ts';
import { DatapathError } from './error.ts';

/** What this kernel has not, in words. */
export interface MissingFeatures {
  /** Of what policies are enforced with. */
  readonly policy: readonly string[];
  /** Of what Services are translated with. */
  readonly services: readonly string[];
}

const MAP_TYPES = new Map<number, string>(Object.entries(MapType).map(([name, type]) => [type, name]));

/** The programs read fields of sockets, whose places the kernel tells there. */
const KERNEL_TYPES = '/sys/kernel/btf/vmlinux';

/** Of the type of programs that trace functions, which is asked for with one of these, and needs more of a kernel than its types. */
const ITERATOR = 'iter/';

/**
 * Asks the kernel for the types of programs and maps that ours are of, by making one of each.
 * @throws DatapathError `not-compiled`, or BpfError `library-missing`, `probe-failed` without CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON
 */
export function missingFeatures(): MissingFeatures {
  const types = existsSync(KERNEL_TYPES) ? [] : [`its types at ${KERNEL_TYPES} (CONFIG_DEBUG_INFO_BTF)`];
  return { policy: [...missingFor('policy'), ...types], services: missingFor('service') };
}

function missingFor(object: 'policy' | 'service'): readonly string[] {
  const path = fileURLToPath(new URL(`../programs/gen/${object}.bpf.o`, import.meta.url));
  if (!existsSync(path)) throw new DatapathError('not-compiled', `there are no programs at ${path}; npm run setup makes them`);
  using spec = ObjectSpec.open(path);
  const programs = [...spec.programs.values()].filter(({ section }) => !section.startsWith(ITERATOR));
  const sections = new Map(programs.map(({ type, section }) => [type, section]));
  const types = new Set([...spec.maps.values()].map(({ type }) => type));
  return [
    ...[...sections].filter(([type]) => !supportsProgramType(type)).map(([, section]) => `programs such as ${section}`),
    ...[...types].filter((type) => !supportsMapType(type)).map((type) => `maps of the type ${MAP_TYPES.get(type) ?? type}`),
  ];
}
