import { existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BpfError, type BpfMap, type LoadedObject, ObjectSpec, u32 } from 'libbpf-ts';
import type { Identity } from '../../model/index.ts';
import { AddressOwners } from './address-owners.ts';
import { AddressTable } from './address-table.ts';
import { AgentLock } from './agent-lock.ts';
import { AskedCopies } from './asked-copies.ts';
import { detachFromCgroups } from './cgroup-programs.ts';
import { Configuration, MONITOR_LEVELS, type MonitorLevel } from './configuration.ts';
import { type Connection, readConnections } from './connections.ts';
import { type Counter, readCounters } from './counters.ts';
import { EndpointTable } from './endpoint-table.ts';
import { DatapathError } from './error.ts';
import { FlowEvents } from './flow-events.ts';
import { maps as CODECS, flow_event } from './gen/policy.ts';
import { detach, Hooks, listAttached, type ProgramName } from './hooks.ts';
import { INGRESS_PROGRAMS, IngressSockets, ingressLookupPin } from './ingress-sockets.ts';
import { askDoors, type PodPlace } from './kept-connections.ts';
import { judgeOpenedForPods, type OpenedForPod } from './opened-for-pods.ts';
import { configureMaps, type DatapathSizes, DEFAULT_SIZES, makePinFolder, removePins, trieFolder } from './pins.ts';
import { RedirectTable } from './redirect-table.ts';
import { readStaleOpenings } from './stale-openings.ts';
import { TakenForClients } from './taken-for-clients.ts';
import { TakenServices } from './taken-services.ts';
import { VerdictTable } from './verdict-table.ts';
import { VerdictTries } from './verdict-tries.ts';

const OBJECT = fileURLToPath(new URL('../programs/gen/policy.bpf.o', import.meta.url));

export interface DatapathOptions {
  /** A folder in a BPF file system, for this node alone; made if it is not there. */
  readonly pinFolder: string;
  /** Default: DEFAULT_SIZES. */
  readonly sizes?: Partial<DatapathSizes>;
  /** Default: `drops`. */
  readonly monitor?: MonitorLevel;
  /** Drops that are told of in a second, for each processor; all are counted. Default 100. */
  readonly dropsPerSecond?: number;
}

export interface TestRun {
  readonly isPassed: boolean;
  /** As the program left it. */
  readonly mark: number;
  /** Nanoseconds, the mean of the repetitions. */
  readonly durationNs: number;
}

/** `struct __sk_buff` */
const CONTEXT_BYTES = 192;
const MARK_AT = 8;
const TC_ACT_SHOT = 2;

/**
 * What decides on pods' packets, in the kernel, on the devices of this process' network namespace. What is in its tables and what is
 * attached outlives this; whoever opens it next goes on from there.
 *
 *     using datapath = await Datapath.open({ pinFolder: '/sys/fs/bpf/sluice' });
 *     await datapath.addresses.replace(addresses);
 *     await datapath.verdicts.replace(policies);
 *     await datapath.endpoints.set(ifindex, { identity, addresses: ['10.0.1.7'] });
 *     datapath.attachPod(ifindex); // last: now packets are judged by these programs and tables
 */
export class Datapath implements Disposable {
  readonly addresses: AddressTable;
  readonly verdicts: VerdictTable;
  readonly endpoints: EndpointTable;
  readonly redirects: RedirectTable;
  readonly taken: TakenServices;
  readonly takenForClients: TakenForClients;
  readonly askedCopies: AskedCopies;
  readonly ingress: IngressSockets;
  readonly #loaded: LoadedObject;
  readonly #lock: AgentLock;
  readonly #hooks: Hooks;
  readonly #configuration: Configuration;
  readonly #pinFolder: string;

  private constructor(loaded: LoadedObject, lock: AgentLock, pinFolder: string, sizes: DatapathSizes) {
    this.#loaded = loaded;
    this.#lock = lock;
    this.#pinFolder = pinFolder;
    this.#hooks = new Hooks((name: ProgramName) => loaded.program(name));
    this.#configuration = new Configuration(loaded.map('configuration', ...CODECS.configuration));
    this.addresses = new AddressTable(loaded.map('addresses', ...CODECS.addresses), this.#configuration);
    const outer: BpfMap<number, number> = loaded.map('verdicts', u32, u32);
    const tries = new VerdictTries(outer, trieFolder(pinFolder), sizes.verdictsOfSubject);
    this.redirects = new RedirectTable(loaded.map('redirects', ...CODECS.redirects), this.#configuration, (slots) =>
      this.verdicts.movePorts(slots),
    );
    this.verdicts = new VerdictTable(loaded.map('subjects', ...CODECS.subjects), tries, (slot) => this.redirects.get(slot)?.port ?? 0);
    this.ingress = new IngressSockets(loaded, this.#configuration, pinFolder, this);
    this.taken = new TakenServices(loaded.map('taken_services', ...CODECS.taken_services), this.#configuration);
    this.takenForClients = new TakenForClients(loaded.map('taken_for_clients', ...CODECS.taken_for_clients));
    this.askedCopies = new AskedCopies(loaded.map('asked_copies', ...CODECS.asked_copies));
    const endpointAddresses = loaded.map('endpoint_addresses', ...CODECS.endpoint_addresses);
    const owners = new AddressOwners(loaded.map('address_owners', ...CODECS.address_owners));
    this.endpoints = new EndpointTable(loaded.map('endpoints', ...CODECS.endpoints), endpointAddresses, owners);
  }

  /**
   * Loads the programs, with the tables that are there from before. Programs that are attached stay until `attachPod` and
   * `attachNetwork` put these in their place. Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.
   * @throws DatapathError `locked`, `no-pins`, `not-compiled`, or `refused` with a BpfError as its cause
   */
  static async open({ pinFolder, sizes = {}, monitor = 'drops', dropsPerSecond = 100 }: DatapathOptions): Promise<Datapath> {
    if (!existsSync(OBJECT)) throw new DatapathError('not-compiled', `there are no programs at ${OBJECT}; npm run setup makes them`);
    makePinFolder(pinFolder);
    using unfinished = new DisposableStack();
    const lock = unfinished.use(await AgentLock.take(pinFolder));
    const allSizes = { ...DEFAULT_SIZES, ...sizes };
    const loaded = unfinished.use(await load(pinFolder, allSizes));
    const datapath = new Datapath(loaded, lock, pinFolder, allSizes);
    datapath.setMonitor(monitor, dropsPerSecond);
    unfinished.move();
    return datapath;
  }

  /** @param dropsPerSecond as in the options */
  setMonitor(level: MonitorLevel, dropsPerSecond = 100): void {
    this.#configuration.set({ monitor: MONITOR_LEVELS[level], drops_per_second: dropsPerSecond });
  }

  /**
   * Judges what goes in and out by the device of a pod on this side, in place of what did so before with nothing in between.
   * @throws DatapathError `hook-taken`, `no-device` or `refused`
   */
  attachPod(ifindex: number): void {
    this.#hooks.attachPod(ifindex);
  }

  /** Knows what comes in by a device that leads to other hosts, such as the uplink and tunnels, as from outside. @throws as `attachPod` */
  attachNetwork(ifindex: number): void {
    this.#hooks.attachNetwork(ifindex);
  }

  /**
   * Has packets that are for Envoy come in again by a device of this network namespace that nothing else uses (`steer0`, see docs/decisions/layer7.md),
   * in place of one before. Until it is done, and when it is undone, what slots decide of is dropped. To be done again for a device that was
   * made anew, which has another number.
   * @param entryIfindex the device whose packets come in there, by which what Envoy opens for Ingresses gets to slots; 0: there is none, and what slots
   * decide of is refused
   * @throws as `attachPod`
   */
  attachSteering(ifindex: number, entryIfindex = 0): void {
    const before = listSteering().filter((each) => each !== ifindex);
    this.#hooks.attachSteering(ifindex);
    this.#configuration.set({ steer_ifindex: ifindex, steer_entry_ifindex: entryIfindex });
    for (const each of before) detach(each);
  }

  detachSteering(): void {
    this.#configuration.set({ steer_ifindex: 0, steer_entry_ifindex: 0 });
    for (const each of listSteering()) detach(each);
  }

  /** The device that packets for Envoy come in by; undefined where there is none, or nothing takes them there. */
  steering(): number | undefined {
    const ifindex = this.#configuration.get()?.steer_ifindex ?? 0;
    return listSteering().includes(ifindex) ? ifindex : undefined;
  }

  /** Takes the programs off a device, whoever attached them. */
  detach(ifindex: number): void {
    detach(ifindex);
  }

  /** Devices of this network namespace whose packets are judged or marked, also by a process before this one. */
  attached(): ReadonlyMap<number, readonly ProgramName[]> {
    return new Map([...listAttached()].filter(([, names]) => !names.includes('from_steer')));
  }

  /**
   * What a program would make of a packet that is seen on the loopback device, whose number is 1. It goes nowhere, but is counted and
   * remembered as any other.
   * @param packet from the Ethernet header on
   * @param mark as Netfilter and routing know it
   * @param repeat how often, for a duration that means something
   */
  testRun(name: ProgramName, packet: Uint8Array, mark = 0, repeat = 1): TestRun {
    const context = new Uint8Array(CONTEXT_BYTES);
    const view = new DataView(context.buffer);
    view.setUint32(MARK_AT, mark, true);
    const run = this.#loaded.program(name).testRun(packet, { context, repeat });
    const left = new DataView(run.context.buffer, run.context.byteOffset);
    return { isPassed: run.returned !== TC_ACT_SHOT, mark: left.getUint32(MARK_AT, true), durationNs: run.durationNs };
  }

  /** As {@link judgeOpenedForPods} of `opened-for-pods.ts` says. */
  judgeOpenedForPods(all: readonly OpenedForPod[]): readonly (number | undefined)[] {
    return judgeOpenedForPods(this, all);
  }

  /** As {@link readStaleOpenings} of `stale-openings.ts` says; none where nothing was ever taken from outside. */
  staleOpenings(): ReadonlySet<bigint> {
    if (this.#configuration.get()?.takes_from_outside !== 1) return new Set();
    return readStaleOpenings(this.#loaded.program('outside_stale'));
  }

  /** Since the tables were made. */
  counters(): readonly Counter[] {
    return readCounters(this.#loaded.map('counters', ...CODECS.counters));
  }

  connections(): Generator<Connection> {
    return readConnections(this.#loaded.map('connections', ...CODECS.connections));
  }

  /** As {@link askDoors} of `kept-connections.ts` says. */
  askDoors(pods: readonly PodPlace[], isOf: (peer: Identity) => boolean): Promise<number> {
    return askDoors(this.#loaded.program('ask_door'), this.#loaded.map('connections', ...CODECS.connections), pods, isOf);
  }

  /** What happens from now on; for one reader. */
  flows(): FlowEvents {
    const untold = {
      lost: this.#loaded.map('flow_events_lost', ...CODECS.flow_events_lost),
      beyondLimit: this.#loaded.map('flow_events_beyond_limit', ...CODECS.flow_events_beyond_limit),
    };
    return new FlowEvents(this.#loaded.ringBuffer('flow_events', flow_event), untold);
  }

  /** Takes the programs off all devices and removes what is pinned, so that nothing is left of it. It is then closed. */
  cleanUp(): void {
    this[Symbol.dispose]();
    cleanUpDatapath(this.#pinFolder);
  }

  /** Lets go of it; the kernel goes on. */
  [Symbol.dispose](): void {
    this.#loaded[Symbol.dispose]();
    this.#lock[Symbol.dispose]();
  }
}

/** What `Datapath.cleanUp` does, where there is none. Folders that others have files in stay. */
export function cleanUpDatapath(pinFolder: string): void {
  rmSync(ingressLookupPin(pinFolder), { force: true });
  detachFromCgroups(INGRESS_PROGRAMS, pinFolder);
  for (const ifindex of listAttached().keys()) detach(ifindex);
  if (existsSync(pinFolder)) removePins(pinFolder);
}

function listSteering(): readonly number[] {
  return [...listAttached()].filter(([, names]) => names.includes('from_steer')).map(([ifindex]) => ifindex);
}

async function load(pinFolder: string, sizes: DatapathSizes): Promise<LoadedObject> {
  try {
    using spec = ObjectSpec.open(OBJECT);
    configureMaps(spec, pinFolder, sizes);
    return await spec.load();
  } catch (cause) {
    if (!(cause instanceof BpfError)) throw cause;
    throw new DatapathError('refused', 'the kernel did not take the programs that judge packets', { cause });
  }
}
