import koffi, { type LibraryHandle } from 'koffi';
import { bindNetlink } from './bind-netlink.ts';
import { bindTrafficControl } from './bind-traffic-control.ts';
import { bindVerifier } from './bind-verifier.ts';
import { BpfError } from './error.ts';
import type { Native, Pointer, Watch } from './native.ts';

const SONAME = 'libbpf.so.1';
const MIN_MINOR = 1;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const SC_PAGESIZE = 30;
/** Of `struct bpf_map_info`, of which the first six are what there is to see. */
const MAP_INFO_WORDS = 32;
const MAP_FAILED = 2n ** 64n - 1n;

type Done = (error: Error | null, result: number) => void;

/** Memory that threads work on. Nobody else may hold it, koffi does not, and what nobody holds is given to others. */
const inUse = new Set<readonly (Uint8Array | Uint32Array | null)[]>();

/** Calls a function on a thread of its own. @param memory what it reads and writes meanwhile */
function aside(memory: readonly (Uint8Array | Uint32Array | null)[], start: (done: Done) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    inUse.add(memory);
    start((error, result) => {
      inUse.delete(memory);
      if (error) reject(error);
      else resolve(result);
    });
  });
}

/** @throws BpfError `library-missing` */
function open(): LibraryHandle {
  const [lib, major, minor] = found();
  if (major === 1 && minor >= MIN_MINOR) return lib;
  throw new BpfError('library-missing', `${SONAME} on this machine is libbpf ${major}.${minor}; 1.${MIN_MINOR} or newer is needed`);
}

function found(): readonly [LibraryHandle, major: number, minor: number] {
  try {
    const lib = koffi.load(SONAME);
    return [lib, lib.func('uint32_t libbpf_major_version()')(), lib.func('uint32_t libbpf_minor_version()')()];
  } catch (cause) {
    throw new BpfError(
      'library-missing',
      `${SONAME} is not on this machine; its package is libbpf1 on Debian, libbpf on Fedora (${String(cause)})`,
    );
  }
}

/** Finds the functions of libbpf and of the C library. @throws BpfError `library-missing` */
export function bindLibbpf(): Native {
  const lib = open();
  const libc = koffi.load(null);
  const mmap = libc.func('void *mmap(void *address, size_t size, int protection, int flags, int fd, int64_t offset)');
  const sysconf = libc.func('long sysconf(int name)');
  const flock = libc.func('int flock(int fd, int operation)');
  const munmap = libc.func('int munmap(void *address, size_t size)');
  const openOptions = koffi.struct({ sz: 'size_t', object_name: 'const char *', rest: koffi.array('uint64_t', 6) });
  const runOptions = koffi.struct({
    sz: 'size_t',
    data_in: 'void *',
    data_out: 'void *',
    data_size_in: 'uint32_t',
    data_size_out: 'uint32_t',
    ctx_in: 'void *',
    ctx_out: 'void *',
    ctx_size_in: 'uint32_t',
    ctx_size_out: 'uint32_t',
    retval: 'uint32_t',
    repeat: 'int',
    duration: 'uint32_t',
    flags: 'uint32_t',
    cpu: 'uint32_t',
    batch_size: 'uint32_t',
  });
  const openMemory = lib.func('bpf_object__open_mem', 'void *', ['const void *', 'size_t', koffi.pointer(openOptions)]);
  const load = lib.func('int bpf_object__load(void *object)');
  const initialValue = lib.func('void *bpf_map__initial_value(void *map, _Out_ size_t *size)');
  const updateMany = lib.func('int bpf_map_update_batch(int fd, const void *keys, const void *values, void *count, const void *opts)');
  const deleteMany = lib.func('int bpf_map_delete_batch(int fd, const void *keys, void *count, const void *opts)');
  const lookupMany = lib.func(
    'int bpf_map_lookup_batch(int fd, void *from, void *to, void *keys, void *values, void *count, const void *opts)',
  );
  const describe = lib.func('int bpf_obj_get_info_by_fd(int fd, void *info, void *size)');
  const probeProgram = lib.func('int libbpf_probe_bpf_prog_type(int type, const void *opts)');
  const probeMap = lib.func('int libbpf_probe_bpf_map_type(int type, const void *opts)');
  const attachToMap = lib.func('int bpf_prog_attach(int program, int map, int type, uint32_t flags)');
  const createOptions = koffi.struct({
    sz: 'size_t',
    types: koffi.array('uint32_t', 4),
    inner_map_fd: 'uint32_t',
    map_flags: 'uint32_t',
    rest: koffi.array('uint64_t', 2),
  });
  const createMap = lib.func('bpf_map_create', 'int', [
    'int',
    'const char *',
    'uint32_t',
    'uint32_t',
    'uint32_t',
    koffi.pointer(createOptions),
  ]);
  const setInitialValue = lib.func('int bpf_map__set_initial_value(void *map, const void *value, size_t size)');
  const run = lib.func('bpf_prog_test_run_opts', 'int', ['int', koffi.inout(koffi.pointer(runOptions))]);
  // What it has to say is in the errors.
  lib.func('void *libbpf_set_print(void *print)')(null);
  return {
    objectOpen: (bytes, name) =>
      openMemory(bytes, bytes.byteLength, { sz: koffi.sizeof(openOptions), object_name: name, rest: [0, 0, 0, 0, 0, 0] }),
    objectLoad: (object) => aside([], (done) => load.async(object, done)),
    objectClose: lib.func('void bpf_object__close(void *object)'),
    nextMap: lib.func('void *bpf_object__next_map(void *object, void *before)'),
    mapName: lib.func('const char *bpf_map__name(void *map)'),
    mapType: lib.func('int bpf_map__type(void *map)'),
    mapKeySize: lib.func('uint32_t bpf_map__key_size(void *map)'),
    mapValueSize: lib.func('uint32_t bpf_map__value_size(void *map)'),
    mapMaxEntries: lib.func('uint32_t bpf_map__max_entries(void *map)'),
    mapFlags: lib.func('uint32_t bpf_map__map_flags(void *map)'),
    setMapMaxEntries: lib.func('int bpf_map__set_max_entries(void *map, uint32_t entries)'),
    mapFd: lib.func('int bpf_map__fd(void *map)'),
    mapInitialValue: (map) => {
      const size = [0];
      const at: Pointer | null = initialValue(map, size);
      return at === null ? undefined : new Uint8Array(koffi.view(at, Number(size[0]))).slice();
    },
    setMapInitialValue: (map, value) => setInitialValue(map, value, value.byteLength),
    nextProgram: lib.func('void *bpf_object__next_program(void *object, void *before)'),
    programName: lib.func('const char *bpf_program__name(void *program)'),
    programSection: lib.func('const char *bpf_program__section_name(void *program)'),
    programType: lib.func('int bpf_program__type(void *program)'),
    programFd: lib.func('int bpf_program__fd(void *program)'),
    setProgramAutoload: lib.func('int bpf_program__set_autoload(void *program, bool autoload)'),
    setProgramLog: lib.func('int bpf_program__set_log_buf(void *program, void *buffer, size_t size)'),
    attach: lib.func('void *bpf_program__attach(void *program)'),
    attachCgroup: lib.func('void *bpf_program__attach_cgroup(void *program, int fd)'),
    attachNetwork: lib.func('void *bpf_program__attach_netns(void *program, int fd)'),
    linkOpen: lib.func('void *bpf_link__open(const char *path)'),
    linkPin: lib.func('int bpf_link__pin(void *link, const char *path)'),
    linkUpdate: lib.func('int bpf_link__update_program(void *link, void *program)'),
    linkFd: lib.func('int bpf_link__fd(void *link)'),
    iteratorCreate: lib.func('int bpf_iter_create(int link_fd)'),
    linkDestroy: lib.func('int bpf_link__destroy(void *link)'),
    ...bindTrafficControl(lib),
    ...bindNetlink(libc),
    ...bindVerifier(lib, libc),
    pin: lib.func('int bpf_obj_pin(int fd, const char *path)'),
    lock: (fd) => (flock(fd, LOCK_EX | LOCK_NB) < 0 ? -koffi.errno() : 0),
    mapCreate: ({ type, keySize, valueSize, maxEntries, flags }, name) =>
      createMap(type, name, keySize, valueSize, maxEntries, {
        sz: koffi.sizeof(createOptions),
        types: [0, 0, 0, 0],
        inner_map_fd: 0,
        map_flags: flags,
        rest: [0n, 0n],
      }),
    attachToMap: (programFd, mapFd, type) => attachToMap(programFd, mapFd, type, 0),
    detachFromMap: lib.func('int bpf_prog_detach2(int program, int map, int type)'),
    setMapPinPath: lib.func('int bpf_map__set_pin_path(void *map, const char *path)'),
    pinnedOpen: lib.func('int bpf_obj_get(const char *path)'),
    describeMap: (fd) => {
      const info = new Uint32Array(MAP_INFO_WORDS);
      if (describe(fd, info, Uint32Array.of(info.byteLength)) < 0) return undefined;
      const [type = 0, id = 0, keySize = 0, valueSize = 0, maxEntries = 0, flags = 0] = info;
      return { type, id, keySize, valueSize, maxEntries, flags };
    },
    closeFd: libc.func('int close(int fd)'),
    probeProgramType: (type) => probeProgram(type, null),
    probeMapType: (type) => probeMap(type, null),
    programTypeName: lib.func('const char *libbpf_bpf_prog_type_str(int type)'),
    mapTypeName: lib.func('const char *libbpf_bpf_map_type_str(int type)'),
    possibleCpus: lib.func('int libbpf_num_possible_cpus()'),
    lookup: lib.func('int bpf_map_lookup_elem(int fd, const void *key, void *value)'),
    lookupAndDelete: lib.func('int bpf_map_lookup_and_delete_elem(int fd, const void *key, void *value)'),
    update: lib.func('int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)'),
    delete: lib.func('int bpf_map_delete_elem(int fd, const void *key)'),
    nextKey: lib.func('int bpf_map_get_next_key(int fd, const void *key, void *next)'),
    lookupBatch: (fd, { from, to, keys, values, count }) => lookupMany(fd, from, to, keys, values, count, null),
    lookupBatchAside: (fd, { from, to, keys, values, count }) =>
      aside([from, to, keys, values, count], (done) => lookupMany.async(fd, from, to, keys, values, count, null, done)),
    updateBatch: (fd, keys, values, count) => aside([keys, values, count], (done) => updateMany.async(fd, keys, values, count, null, done)),
    deleteBatch: (fd, keys, count) => aside([keys, count], (done) => deleteMany.async(fd, keys, count, null, done)),
    testRun: (fd, { dataIn, dataOut, contextIn, contextOut, repeat }) => {
      const options = {
        sz: koffi.sizeof(runOptions),
        data_in: dataIn,
        data_out: dataOut,
        data_size_in: dataIn?.byteLength ?? 0,
        data_size_out: dataOut?.byteLength ?? 0,
        ctx_in: contextIn,
        ctx_out: contextOut,
        ctx_size_in: contextIn?.byteLength ?? 0,
        ctx_size_out: contextOut?.byteLength ?? 0,
        ...{ retval: 0, repeat, duration: 0, flags: 0, cpu: 0, batch_size: 0 },
      };
      const result: number = run(fd, options);
      const { retval: returned, data_size_out: dataSize, ctx_size_out: contextSize, duration: durationNs } = options;
      return { result, returned, dataSize, contextSize, durationNs };
    },
    share: (fd, offset, size, access) => {
      const address: Pointer = mmap(null, size, access === 'read' ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
      if (address === MAP_FAILED) return undefined;
      return { buffer: koffi.view(address, size), [Symbol.dispose]: () => munmap(address, size) };
    },
    pageSize: () => Number(sysconf(SC_PAGESIZE)),
    onReadable: watch,
    allocate: (size) => koffi.alloc('uint8_t', size),
    free: (memory) => koffi.free(memory),
    clear: (memory) => koffi.encode(memory, 'uint8_t', 0),
    textAt: (memory, size) => {
      const bytes = new Uint8Array(koffi.view(memory, size));
      return new TextDecoder().decode(bytes.slice(0, Math.max(0, bytes.indexOf(0))));
    },
    errno: () => koffi.errno(),
  };
}

/** Called while Node is being torn down, a callback would end the process by a fault. */
const watches = new Set<Watch>();
process.once('exit', () => {
  for (const open of watches) open[Symbol.dispose]();
});

function watch(fd: number, callback: () => void): Watch {
  const handle = koffi.node.poll(fd, { readable: true }, callback);
  handle.unref();
  const open: Watch = {
    keepProcess: (isKept) => (isKept ? handle.ref() : handle.unref()),
    [Symbol.dispose]: () => {
      if (watches.delete(open)) handle.close();
    },
  };
  watches.add(open);
  return open;
}
