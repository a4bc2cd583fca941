import koffi, { type LibraryHandle } from 'koffi';
import type { Native, TcFilterOptions, TcHook } from './native.ts';

const BPF_TC_F_REPLACE = 1;
const TC_DIRECTIONS = { ingress: 1, egress: 2 } satisfies Record<TcHook['direction'], number>;

/** Traffic control takes structs, which begin with their own size. */
export function bindTrafficControl(lib: LibraryHandle): Pick<Native, 'hookCreate' | 'hookAttach' | 'hookDetach' | 'hookQuery'> {
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
    hookQuery: (hook, filter) => {
      const options = found(filter);
      const result: number = query(hookOf(hook), options);
      return result < 0 ? result : options.prog_id;
    },
  };
}
