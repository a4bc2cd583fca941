import {
  BpfError,
  listDevices,
  listDisciplines,
  listFilters,
  listLinkedPrograms,
  type Program,
  removeUnusedHook,
  TcFilter,
} from 'libbpf-ts';
import { DatapathError } from './error.ts';

type Direction = 'ingress' | 'egress';

/** As they are named in `bpf/programs`, and in what the kernel lists. */
export type ProgramName = 'from_pod' | 'to_pod' | 'from_network' | 'from_steer';

/** Before everything else that is there. */
const PRIORITY = 1;
/** By this and their names our filters are known. */
const HANDLE = 0x51ce;
const NAMES = { from_pod: true, to_pod: true, from_network: true, from_steer: true } satisfies Record<ProgramName, true>;
const NO_DEVICE = new Set(['ENODEV', 'ENXIO', 'ENOENT']);

const POD_PROGRAMS = { ingress: 'from_pod', egress: 'to_pod' } as const;
const NETWORK_PROGRAMS = { ingress: 'from_network' } as const;
const STEERING_PROGRAMS = { ingress: 'from_steer' } as const;

/** Puts the programs to work on devices of this process' network namespace. They stay when this process ends. */
export class Hooks {
  readonly #program: (name: ProgramName) => Program;

  /** @param program one that is loaded */
  constructor(program: (name: ProgramName) => Program) {
    this.#program = program;
  }

  attachPod(ifindex: number): void {
    this.#attach(ifindex, POD_PROGRAMS);
  }

  attachNetwork(ifindex: number): void {
    this.#attach(ifindex, NETWORK_PROGRAMS);
  }

  attachSteering(ifindex: number): void {
    this.#attach(ifindex, STEERING_PROGRAMS);
  }

  /** All or none: what cannot stand at both sides of a door does not stand at one. */
  #attach(ifindex: number, programs: Partial<Record<Direction, ProgramName>>): void {
    const places = Object.entries(programs).map(
      ([direction, name]) => ({ direction: direction === 'ingress' ? 'ingress' : 'egress', name }) as const,
    );
    if ('egress' in programs) refuseOneWay(ifindex);
    for (const { direction } of places) refuseOthers(ifindex, direction);
    const made: TcFilter[] = [];
    try {
      for (const { direction, name } of places) {
        const isNew = ownFilter(ifindex, direction) === undefined;
        const filter = this.#program(name).attachToDevice({ ifindex, direction, priority: PRIORITY, handle: HANDLE });
        if (isNew) made.push(filter);
      }
    } catch (cause) {
      for (const filter of made) filter[Symbol.dispose]();
      throw attachError(ifindex, cause);
    }
  }
}

/** Takes our programs off a device, also those of a process that ended. One that is gone has none. */
export function detach(ifindex: number): void {
  try {
    const directions = (['ingress', 'egress'] as const).filter((direction) => ownFilter(ifindex, direction) !== undefined);
    for (const direction of directions) TcFilter.find({ ifindex, direction, priority: PRIORITY, handle: HANDLE })?.[Symbol.dispose]();
    if (directions.length > 0) removeUnusedHook(ifindex);
  } catch (error) {
    if (!(error instanceof BpfError) || !NO_DEVICE.has(error.errnoName ?? '')) throw error;
  }
}

/** Devices of this network namespace that our programs are on, and which. */
export function listAttached(): ReadonlyMap<number, readonly ProgramName[]> {
  const found = new Map<number, readonly ProgramName[]>();
  for (const ifindex of listDevices()) {
    const names = (['ingress', 'egress'] as const).flatMap((direction) => programAt(ifindex, direction) ?? []);
    if (names.length > 0) found.set(ifindex, names);
  }
  return found;
}

/**
 * Devices of this network namespace where others stand in the way of our programs, and how, as `attachPod` would say it. Needs the rights to ask
 * for eBPF programs.
 * @throws DatapathError `refused`, or BpfError `netlink-failed`
 */
export function listObstacles(): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const ifindex of listDevices()) {
    try {
      refuseOneWay(ifindex);
      for (const direction of ['ingress', 'egress'] as const) refuseOthers(ifindex, direction);
    } catch (error) {
      if (!(error instanceof DatapathError)) throw error;
      if (error.code === 'hook-taken') found.set(ifindex, error.message);
      // One that is gone stands in nobody's way.
      else if (error.code !== 'no-device') throw error;
    }
  }
  return found;
}

function programAt(ifindex: number, direction: Direction): ProgramName | undefined {
  const name = ownFilter(ifindex, direction)?.name?.split(':')[0];
  return name !== undefined && isProgramName(name) ? name : undefined;
}

function isProgramName(name: string): name is ProgramName {
  return Object.hasOwn(NAMES, name);
}

function ownFilter(ifindex: number, direction: Direction) {
  return listFilters({ ifindex, direction }).find(isOurs);
}

function isOurs({
  kind,
  priority,
  handle,
  name = '',
}: {
  kind: string;
  priority: number;
  handle: number;
  name: string | undefined;
}): boolean {
  return kind === 'bpf' && priority === PRIORITY && handle === HANDLE && isProgramName(name.split(':')[0] ?? '');
}

/** Where somebody made room for filters of what comes in only, one of what goes out would see what comes in, and take the place of the other. */
function refuseOneWay(ifindex: number): void {
  if (!listDisciplines(ifindex).includes('ingress')) return;
  const why = 'as the bandwidth plugin of CNI makes, in which no program can see what goes to the pod';
  throw new DatapathError('hook-taken', `device ${ifindex} has the queueing discipline ingress, ${why}`);
}

/** Two programs that decide on the same packets undo what the other does. Filters of other kinds come after ours. */
function refuseOthers(ifindex: number, direction: Direction): void {
  const hook = { ifindex, direction };
  try {
    const other = listFilters(hook).find((filter) => !isOurs(filter) && (filter.kind === 'bpf' || filter.priority <= PRIORITY));
    if (other) {
      const what = other.kind === 'bpf' ? `the eBPF program ${other.name ?? other.programId}` : `a filter of the kind ${other.kind}`;
      throw new DatapathError('hook-taken', `device ${ifindex} has ${what} at ${direction}, which ${WHAT_TO_DO}`);
    }
    const [linked] = listLinkedPrograms(hook);
    if (linked === undefined) return;
    throw new DatapathError('hook-taken', `device ${ifindex} has the eBPF program ${linked} at ${direction}, which ${WHAT_TO_DO}`);
  } catch (cause) {
    throw attachError(ifindex, cause);
  }
}

const WHAT_TO_DO = 'somebody else put there, such as a network plugin that enforces policy by eBPF itself: only one of them can';

function attachError(ifindex: number, cause: unknown): unknown {
  if (!(cause instanceof BpfError)) return cause;
  if (NO_DEVICE.has(cause.errnoName ?? '')) return new DatapathError('no-device', `there is no device ${ifindex}`, { cause });
  return new DatapathError('refused', `the programs were not attached to device ${ifindex}`, { cause });
}
