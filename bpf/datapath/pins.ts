import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { MapSpec, ObjectSpec } from 'libbpf-ts';
import { DatapathError } from './error.ts';

/** How many entries the kernel's tables have room for. */
export interface DatapathSizes {
  /** Prefixes that have an identity. */
  readonly addresses: number;
  /** Identities of pods on this node that have verdicts. */
  readonly subjects: number;
  /** Verdicts of one identity. */
  readonly verdictsOfSubject: number;
  readonly endpoints: number;
  readonly endpointAddresses: number;
  /** Of more, those that were used least recently are forgotten. About 200 bytes each, taken at once. */
  readonly connections: number;
  readonly fragments: number;
  /** Bytes of events that wait to be read, a power of two and of pages. */
  readonly flowBytes: number;
}

export const DEFAULT_SIZES: DatapathSizes = {
  addresses: 524_288,
  subjects: 16_384,
  verdictsOfSubject: 131_072,
  endpoints: 4_096,
  endpointAddresses: 16_384,
  connections: 131_072,
  fragments: 8_192,
  flowBytes: 1 << 20,
};

/**
 * Maps that outlive a process, in files of their names. `flow_events` does not: it is for whoever reads it now.
 */
const PINNED = [
  ...['addresses', 'subjects', 'verdicts', 'endpoints', 'endpoint_addresses', 'address_owners', 'configuration'],
  ...['connections', 'fragments', 'counters', 'redirects', 'ingress_listeners', 'taken_for_clients', 'asked_copies'],
  ...['outside_clients', 'outside_connections', 'outside_openings'],
];
/** With what translates Services, which writes the first and reads the second. */
const SHARED = ['service_addresses', 'taken_services'];
/** Maps whose entries are as good in a larger or smaller one; others are written anew by whoever opens them. */
const KEPT_ON_RESIZE = new Set([
  ...['addresses', 'subjects', 'endpoints', 'endpoint_addresses', 'address_owners', 'connections', 'redirects'],
  ...SHARED,
]);
/** What later versions add is at the end of its value. */
const GROWS = 'configuration';
/** What `statfs` says of one. */
const BPF_FILE_SYSTEM = 0xcafe4a11;
const TRIES = 'subject_verdict';

/** @throws DatapathError `no-pins` */
export function makePinFolder(folder: string): void {
  try {
    // What is in no BPF file system is left alone.
    if (statfsSync(existingPart(folder)).type !== BPF_FILE_SYSTEM) throw new DatapathError('no-pins', `${folder} is in no BPF file system`);
    mkdirSync(join(folder, TRIES), { recursive: true });
  } catch (cause) {
    if (cause instanceof DatapathError) throw cause;
    throw new DatapathError('no-pins', `${folder} cannot be made`, { cause });
  }
}

function existingPart(folder: string): string {
  return existsSync(folder) || folder === dirname(folder) ? folder : existingPart(dirname(folder));
}

export function trieFolder(folder: string): string {
  return join(folder, TRIES);
}

/** Sets how large maps are to be, and where they are kept. One that is there in another size is replaced, with what it has. */
export function configureMaps(spec: ObjectSpec, folder: string, sizes: DatapathSizes): void {
  const entries: Readonly<Record<string, number>> = {
    addresses: sizes.addresses,
    subjects: sizes.subjects,
    verdicts: sizes.subjects,
    endpoints: sizes.endpoints,
    endpoint_addresses: sizes.endpointAddresses,
    address_owners: sizes.endpointAddresses,
    connections: sizes.connections,
    fragments: sizes.fragments,
    flow_events: sizes.flowBytes,
  };
  for (const [name, maxEntries] of Object.entries(entries)) spec.map(name).maxEntries = maxEntries;
  for (const name of [...PINNED, ...SHARED]) {
    const map = spec.map(name);
    map.pinPath = join(folder, name);
    if (name === GROWS) map.migrate = (key, value) => [key, resize(value, map.valueSize)];
    else map.migrate = KEPT_ON_RESIZE.has(name) ? keepIfSame(map) : () => undefined;
  }
}

/** Removes what is pinned, and the folder if nothing else is in it. */
export function removePins(folder: string): void {
  for (const name of [...PINNED, ...SHARED]) rmSync(join(folder, name), { force: true });
  rmSync(join(folder, TRIES), { recursive: true, force: true });
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}

function resize(value: Uint8Array, size: number): Uint8Array {
  const resized = new Uint8Array(size);
  resized.set(value.subarray(0, size));
  return resized;
}

/** Entries of another size are of another version, and are left out. */
function keepIfSame({ keySize, valueSize }: MapSpec): MapSpec['migrate'] {
  return (key, value) => (key.byteLength === keySize && value.byteLength === valueSize ? [key, value] : undefined);
}
