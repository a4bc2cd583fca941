import { bindLibbpf } from './bind-libbpf.ts';

/** An address in this process. */
export type Pointer = bigint;

/** What is used of libbpf. Functions that give a number give what is negative of an errno where they fail. */
export interface Native {
  /** Where it fails, `errno()` says why. */
  objectOpen(bytes: Uint8Array, name: string): Pointer | null;
  /** Off the event loop, since the verifier takes its time. */
  objectLoad(object: Pointer): Promise<number>;
  objectClose(object: Pointer): void;
  nextMap(object: Pointer, before: Pointer | null): Pointer | null;
  mapName(map: Pointer): string;
  mapType(map: Pointer): number;
  mapKeySize(map: Pointer): number;
  mapValueSize(map: Pointer): number;
  mapMaxEntries(map: Pointer): number;
  mapFlags(map: Pointer): number;
  setMapMaxEntries(map: Pointer, entries: number): number;
  mapFd(map: Pointer): number;
  mapInitialValue(map: Pointer): Uint8Array | undefined;
  setMapInitialValue(map: Pointer, value: Uint8Array): number;
  nextProgram(object: Pointer, before: Pointer | null): Pointer | null;
  programName(program: Pointer): string;
  programSection(program: Pointer): string;
  programType(program: Pointer): number;
  programFd(program: Pointer): number;
  setProgramAutoload(program: Pointer, isLoaded: boolean): number;
  setProgramLog(program: Pointer, buffer: Pointer, size: number): number;
  /** Those that make a link give none where they fail, and `errno()` says why. */
  attach(program: Pointer): Pointer | null;
  attachCgroup(program: Pointer, cgroupFd: number): Pointer | null;
  attachNetwork(program: Pointer, namespaceFd: number): Pointer | null;
  linkOpen(path: string): Pointer | null;
  linkPin(link: Pointer, path: string): number;
  linkUpdate(link: Pointer, program: Pointer): number;
  linkFd(link: Pointer): number;
  /** Zero or more is a file descriptor, by which the program runs as it is read. */
  iteratorCreate(linkFd: number): number;
  linkDestroy(link: Pointer): number;
  /** Of traffic control; `-EEXIST` where there is a hook already. */
  hookCreate(hook: TcHook): number;
  hookAttach(hook: TcHook, filter: TcFilterOptions): number;
  hookDetach(hook: TcHook, filter: TcFilterOptions): number;
  /** Removes the queueing discipline of both directions, with all filters. */
  hookDestroy(ifindex: number): number;
  /** Zero or more is the id of the program there. */
  hookQuery(hook: TcHook, filter: TcFilterOptions): number;
  /** Zero or more is a file descriptor. */
  mapCreate(layout: MapLayout, name: string): number;
  /** Of programs on maps of sockets. */
  attachToMap(programFd: number, mapFd: number, type: number): number;
  detachFromMap(programFd: number, mapFd: number, type: number): number;
  setMapPinPath(map: Pointer, path: string): number;
  /** Zero or more is a file descriptor. */
  pinnedOpen(path: string): number;
  /** Of what is open, puts it there. */
  pin(fd: number, path: string): number;
  describeMap(fd: number): (MapLayout & { readonly id: number }) | undefined;
  /** Of a file or folder, which is locked until its descriptor is closed; without waiting. */
  lock(fd: number): number;
  /** Programs on a device that are no filters: how many, or what is negative; identifiers are in the array. */
  queryTcx(hook: TcHook, ids: Uint32Array): number;
  /** A socket to routing netlink; zero or more is a file descriptor. */
  netlinkOpen(): number;
  netlinkSend(fd: number, message: Uint8Array): number;
  netlinkReceive(fd: number, buffer: Uint8Array): number;
  closeFd(fd: number): number;
  /** Has the verifier look at instructions, which are not kept. */
  verify(type: number, attachType: number, instructions: Uint8Array): VerifyOutcome;
  /** As `enum bpf_attach_type` has it. */
  programAttachType(program: Pointer): number;
  /** A copy, as they are at that moment. */
  programInstructions(program: Pointer): Uint8Array;
  /** 1 where the kernel has it, 0 where it has not. */
  probeProgramType(type: number): number;
  probeMapType(type: number): number;
  programTypeName(type: number): string | null;
  mapTypeName(type: number): string | null;
  possibleCpus(): number;
  lookup(fd: number, key: Uint8Array, value: Uint8Array): number;
  lookupAndDelete(fd: number, key: Uint8Array, value: Uint8Array): number;
  update(fd: number, key: Uint8Array, value: Uint8Array, flags: number): number;
  delete(fd: number, key: Uint8Array): number;
  nextKey(fd: number, key: Uint8Array | null, next: Uint8Array): number;
  lookupBatch(fd: number, buffers: LookupBatchBuffers): number;
  /** Off the event loop. */
  lookupBatchAside(fd: number, buffers: LookupBatchBuffers): Promise<number>;
  /** Off the event loop. */
  updateBatch(fd: number, keys: Uint8Array, values: Uint8Array, count: Uint32Array): Promise<number>;
  /** Off the event loop. */
  deleteBatch(fd: number, keys: Uint8Array, count: Uint32Array): Promise<number>;
  testRun(fd: number, run: TestRunBuffers): TestRunOutcome;
  /** Memory that others write to, as `mmap` has it; undefined where it fails, and `errno()` says why. */
  share(fd: number, offset: number, size: number, access: 'read' | 'write'): SharedMemory | undefined;
  /** Bytes. */
  pageSize(): number;
  /** Calls whenever there is something to read, until it is disposed of. Does not keep the process, unless told to. */
  onReadable(fd: number, callback: () => void): Watch;
  allocate(size: number): Pointer;
  free(memory: Pointer): void;
  /** Makes the text there empty. */
  clear(memory: Pointer): void;
  /** A text that ends with a zero, at most so many bytes. */
  textAt(memory: Pointer, size: number): string;
  errno(): number;
}

/** Not to be touched once it was disposed of: there is nothing then. */
export interface SharedMemory extends Disposable {
  readonly buffer: ArrayBuffer;
}

export interface Watch extends Disposable {
  keepProcess(isKept: boolean): void;
}

export interface TcHook {
  readonly ifindex: number;
  readonly direction: 'ingress' | 'egress';
}

export interface TcFilterOptions {
  readonly programFd: number;
  readonly handle: number;
  readonly priority: number;
}

/** Of a map, what must be so for a program that expects it. */
export interface MapLayout {
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

export interface VerifyOutcome {
  /** Negative where it was refused. */
  readonly result: number;
  /** Empty where the verifier was not asked. */
  readonly log: string;
}

export interface LookupBatchBuffers {
  /** Where the batch before ended; null for the first. */
  readonly from: Uint8Array | null;
  readonly to: Uint8Array;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  /** How many there is room for, and then how many there are. */
  readonly count: Uint32Array;
}

export interface TestRunBuffers {
  readonly dataIn: Uint8Array | null;
  readonly dataOut: Uint8Array | null;
  readonly contextIn: Uint8Array | null;
  readonly contextOut: Uint8Array | null;
  readonly repeat: number;
}

export interface TestRunOutcome {
  readonly result: number;
  readonly returned: number;
  readonly dataSize: number;
  readonly contextSize: number;
  /** Nanoseconds, the mean of the repetitions. */
  readonly durationNs: number;
}

let bound: Native | undefined;

/** @throws BpfError `library-missing` */
export function native(): Native {
  bound ??= bindLibbpf();
  return bound;
}

/** All that a function leads to from one to the next. */
export function* each(object: Pointer, next: (object: Pointer, before: Pointer | null) => Pointer | null): Generator<Pointer> {
  for (let found = next(object, null); found !== null; found = next(object, found)) yield found;
}
