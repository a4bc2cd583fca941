import { viewOf } from './codec.ts';
import { BpfError } from './error.ts';
import { ifKnown } from './features.ts';
import { native, type Pointer } from './native.ts';
import { IS_LITTLE_ENDIAN } from './netlink.ts';

const INSTRUCTION_BYTES = 8;
const CALL = 0x85;
const MOVE_CONSTANT = 0xb7;
const EXIT = 0x95;
/** Types of programs that the kernel takes only for a certain place: one of these, as `enum bpf_attach_type` has them. */
const ATTACH_TYPES: ReadonlyMap<number, number> = new Map([
  [18, 10], // cgroup_sock_addr: connect4
  [25, 21], // cgroup_sockopt: getsockopt
  [30, 36], // sk_lookup
]);
/** In the verifier's words, once it came to the call. */
const CALL_SEEN = '0: (85) call ';
/** The verifier's words where there is no such helper, or not for such programs, from the oldest kernels to the newest. */
const REFUSED = /(?:invalid func|unknown func|program of this type cannot use helper|helper call is not allowed in) (?<helper>\S+)/;

/**
 * Whether programs of a type may call a helper, as `enum bpf_prog_type` and `enum bpf_func_id` number them. The verifier is asked about a program that
 * does nothing but call it: arguments that are missing are complained of only where the call may be.
 * @param attachType as `enum bpf_attach_type` has it, for types of programs of which it decides; default: the first that the type has
 * @throws BpfError `probe-failed`, as without the rights to load programs, or for types that cannot be loaded by themselves, such as `fentry`
 */
export function supportsHelper(programType: number, helper: number, attachType?: number): boolean {
  return refusalOf(programType, helper, attachType) === undefined;
}

/** The helpers that a program of an object calls and the kernel does not have for it, as the verifier names them. */
export function missingHelpers(program: Pointer): readonly string[] {
  const lib = native();
  const [type, attachType] = [lib.programType(program), lib.programAttachType(program)];
  return [...new Set(helpersCalled(lib.programInstructions(program)))].flatMap((helper) => {
    const refusal = ifKnown(() => refusalOf(type, helper, attachType));
    return refusal === undefined ? [] : [`helper ${refusal} for programs of the type ${lib.programTypeName(type) ?? type}`];
  });
}

/** What the verifier calls the helper, where it refuses the call. */
function refusalOf(type: number, helper: number, attachType = ATTACH_TYPES.get(type) ?? 0): string | undefined {
  const { result, log } = native().verify(type, attachType, programThatCalls(helper));
  if (result < 0 && !log.includes(CALL_SEEN)) {
    const what = `it cannot be found out whether programs of the type ${type} may call the helper ${helper}`;
    throw new BpfError('probe-failed', what, { errno: -result });
  }
  return result < 0 ? REFUSED.exec(log)?.groups?.['helper'] : undefined;
}

function programThatCalls(helper: number): Uint8Array {
  const instructions = new Uint8Array(3 * INSTRUCTION_BYTES);
  for (const [index, code] of [CALL, MOVE_CONSTANT, EXIT].entries()) instructions[index * INSTRUCTION_BYTES] = code;
  viewOf(instructions).setInt32(4, helper, IS_LITTLE_ENDIAN);
  return instructions;
}

function helpersCalled(instructions: Uint8Array): number[] {
  const view = viewOf(instructions);
  const places = Array.from({ length: instructions.byteLength / INSTRUCTION_BYTES }, (_, index) => index * INSTRUCTION_BYTES);
  // With a source register it is a call of a function of the program's own, or of the kernel's.
  const isCall = (at: number) => view.getUint8(at) === CALL && (view.getUint8(at + 1) & 0xf0) === 0;
  return places.filter(isCall).map((at) => view.getInt32(at + 4, IS_LITTLE_ENDIAN));
}
