import koffi, { type LibraryHandle } from 'koffi';
import type { Native, Pointer } from './native.ts';

const LOG_BYTES = 16_384;
const INSTRUCTION_BYTES = 8;

/** What instructions a program has, and what the verifier says of some. */
export function bindVerifier(
  lib: LibraryHandle,
  libc: LibraryHandle,
): Pick<Native, 'verify' | 'programAttachType' | 'programInstructions'> {
  const close = libc.func('int close(int fd)');
  const loadOptions = koffi.struct({
    sz: 'size_t',
    attempts: 'int',
    expected_attach_type: 'int',
    numbers: koffi.array('uint32_t', 7),
    fd_array: 'void *',
    func_info: 'void *',
    func_info_sizes: koffi.array('uint32_t', 2),
    line_info: 'void *',
    line_info_sizes: koffi.array('uint32_t', 2),
    log_level: 'uint32_t',
    log_size: 'uint32_t',
    log_buf: 'void *',
  });
  const load = lib.func('bpf_prog_load', 'int', [
    ...['int', 'const char *', 'const char *', 'const void *', 'size_t'],
    koffi.inout(koffi.pointer(loadOptions)),
  ]);
  const instructionsOf = lib.func('void *bpf_program__insns(void *program)');
  const countOf = lib.func('size_t bpf_program__insn_cnt(void *program)');
  return {
    programAttachType: lib.func('int bpf_program__expected_attach_type(void *program)'),
    programInstructions: (program) => {
      const at: Pointer | null = instructionsOf(program);
      const size = Number(countOf(program)) * INSTRUCTION_BYTES;
      return at === null || size === 0 ? new Uint8Array() : new Uint8Array(koffi.view(at, size)).slice();
    },
    verify: (type, attachType, instructions) => {
      const log = new Uint8Array(LOG_BYTES);
      const result: number = load(type, 'probe', 'GPL', instructions, instructions.byteLength / INSTRUCTION_BYTES, {
        ...{ sz: koffi.sizeof(loadOptions), attempts: 1, expected_attach_type: attachType, numbers: [0, 0, 0, 0, 0, 0, 0] },
        ...{ fd_array: null, func_info: null, func_info_sizes: [0, 0], line_info: null, line_info_sizes: [0, 0] },
        ...{ log_level: 1, log_size: LOG_BYTES, log_buf: log },
      });
      if (result >= 0) close(result);
      return { result, log: new TextDecoder().decode(log.subarray(0, Math.max(0, log.indexOf(0)))) };
    },
  };
}
