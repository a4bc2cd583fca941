import koffi, { type LibraryHandle } from 'koffi';
import type { Native, TcFilterOptions, TcHook } from './native.ts';

const BPF_TC_F_REPLACE = 1;
/** As `enum bpf_attach_type` has it. */
const TCX_TYPES = { ingress: 46, egress: 47 } satisfies Record<TcHook['direction'], number>;
const TC_DIRECTIONS = { ingress: 1, egress: 2 } satisfies Record<TcHook['direction'], number>;

/** Traffic control takes structs, which begin with their own size. */
export function bindTrafficControl(
  lib: LibraryHandle,
): Pick<Native, 'hookCreate' | 'hookAttach' | 'hookDetach' | 'hookDestroy' | 'hookQuery' | 'queryTcx'> {
  const hookType = koffi.struct({ sz: 'size_t', ifindex: 'int', attach_point: 'int', parent: 'uint32_t' });
  const filterType = koffi.struct({
    sz: 'size_t',
    prog_fd: 'int',
    flags: 'uint32_t',
    prog_id: 'uint32_t',
    handle: 'uint32_t',
    priority: 'uint32_t',
  });
  const types = ['int', [koffi.inout(koffi.pointer(hookType)), koffi.inout(koffi.pointer(filterType))]] as const;
  const create = lib.func('bpf_tc_hook_create', 'int', [koffi.inout(koffi.pointer(hookType))]);
  const attach = lib.func('bpf_tc_attach', types[0], [...types[1]]);
  const detach = lib.func('bpf_tc_detach', types[0], [...types[1]]);
  const query = lib.func('bpf_tc_query', types[0], [...types[1]]);
  const destroy = lib.func('bpf_tc_hook_destroy', 'int', [koffi.inout(koffi.pointer(hookType))]);
  const queryPrograms = lib.func('int bpf_prog_query(int target, int type, uint32_t flags, void *attach_flags, void *ids, void *count)');
  const hookOf = ({ ifindex, direction }: TcHook) => ({
    sz: koffi.sizeof(hookType),
    ifindex,
    attach_point: TC_DIRECTIONS[direction],
    parent: 0,
  });
  const size = koffi.sizeof(filterType);
  const found = ({ handle, priority }: TcFilterOptions) => ({ sz: size, prog_fd: 0, flags: 0, prog_id: 0, handle, priority });
  return {
    hookCreate: (hook) => create(hookOf(hook)),
    hookAttach: (hook, { programFd, handle, priority }) =>
      attach(hookOf(hook), { sz: size, prog_fd: programFd, flags: BPF_TC_F_REPLACE, prog_id: 0, handle, priority }),
    hookDetach: (hook, filter) => detach(hookOf(hook), found(filter)),
    hookDestroy: (ifindex) =>
      destroy({ sz: koffi.sizeof(hookType), ifindex, attach_point: TC_DIRECTIONS.ingress | TC_DIRECTIONS.egress, parent: 0 }),
    queryTcx: ({ ifindex, direction }, ids) => {
      const count = Uint32Array.of(ids.length);
      const result: number = queryPrograms(ifindex, TCX_TYPES[direction], 0, null, ids, count);
      return result < 0 ? result : (count[0] ?? 0);
    },
    hookQuery: (hook, filter) => {
      const options = found(filter);
      const result: number = query(hookOf(hook), options);
      return result < 0 ? result : options.prog_id;
    },
  };
}
