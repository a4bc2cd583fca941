import type { BpfMap } from './bpf-map.ts';
import { BpfError } from './error.ts';
import { native } from './native.ts';
import type { Program } from './program.ts';

/** As `enum bpf_attach_type` has it. */
const SK_MSG_VERDICT = 7;

/**
 * A program that judges the messages of the sockets that come into a map. A map has one: one that is attached takes the place of the one before, at
 * once. It stays until this is disposed of or the map is gone. A socket keeps the program that the map had when it came.
 */
export class SocketsAttachment<K, V> implements Disposable {
  readonly #map: BpfMap<K, V>;
  #program: Program;
  #isDetached = false;

  private constructor(map: BpfMap<K, V>, program: Program) {
    this.#map = map;
    this.#program = program;
  }

  /** @internal @throws BpfError `attach-failed` or `closed` */
  static attach<K, V>(program: Program, map: BpfMap<K, V>): SocketsAttachment<K, V> {
    put(program, map);
    return new SocketsAttachment(map, program);
  }

  /** Puts another program in its place, at once. @throws BpfError `attach-failed` or `closed` */
  update(program: Program): void {
    if (this.#isDetached) throw new BpfError('closed', `what was attached to ${this.#map.info.name} was disposed of`);
    put(program, this.#map);
    this.#program = program;
  }

  /** Takes the program away, if it is still this one. */
  [Symbol.dispose](): void {
    if (this.#isDetached) return;
    this.#isDetached = true;
    // A map that is gone has nothing attached, and a program that is closed has no descriptor to name it by.
    if (this.#map.isOpen && this.#program.isOpen) native().detachFromMap(this.#program.fd, this.#map.fd, SK_MSG_VERDICT);
  }
}

function put<K, V>(program: Program, map: BpfMap<K, V>): void {
  const result = native().attachToMap(program.fd, map.fd, SK_MSG_VERDICT);
  if (result < 0) throw new BpfError('attach-failed', `${program.name} was not attached to ${map.info.name}`, { errno: -result });
}
