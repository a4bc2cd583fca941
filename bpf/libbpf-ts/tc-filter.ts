import { BpfError } from './error.ts';
import { native, type TcHook } from './native.ts';
import type { Program } from './program.ts';

export interface TcFilterPlace extends TcHook {
  /** Lower ones are asked first. Default 1. */
  readonly priority?: number;
  /** Which filter of that priority it is. Default 1. */
  readonly handle?: number;
}

const EEXIST = 17;
const ENOENT = 2;

/**
 * A program of traffic control, on a device of the network namespace that the main thread is in. Where there is a filter of that
 * priority and handle, the program takes its place at once. The `clsact` qdisc that this needs is made and stays, since others may use it.
 */
export class TcFilter implements Disposable {
  readonly #place: Required<TcFilterPlace>;
  #programId: number;
  #isDetached = false;

  private constructor(place: Required<TcFilterPlace>, programId: number) {
    this.#place = place;
    this.#programId = programId;
  }

  /** @throws BpfError `attach-failed` */
  static attach(program: Program, { ifindex, direction, priority = 1, handle = 1 }: TcFilterPlace): TcFilter {
    const place = { ifindex, direction, priority, handle };
    const made = native().hookCreate(place);
    if (made < 0 && made !== -EEXIST) throw new BpfError('attach-failed', `device ${ifindex} takes no filters`, { errno: -made });
    return new TcFilter(place, replace(program, place));
  }

  /** A filter that is there already, such as one of a process that ended; undefined where there is none. */
  static find({ ifindex, direction, priority = 1, handle = 1 }: TcFilterPlace): TcFilter | undefined {
    const place = { ifindex, direction, priority, handle };
    const programId = idAt(place);
    return programId > 0 ? new TcFilter(place, programId) : undefined;
  }

  /** Puts another program in its place, at once. @throws BpfError `attach-failed` */
  update(program: Program): void {
    if (this.#isDetached) throw new BpfError('closed', `the filter of device ${this.#place.ifindex} was disposed of`);
    this.#programId = replace(program, this.#place);
  }

  /** Whether the kernel still has this program there, and not somebody else's or none. */
  get isAttached(): boolean {
    return !this.#isDetached && idAt(this.#place) === this.#programId;
  }

  /** Takes the program away, if it is still this one. */
  [Symbol.dispose](): void {
    if (this.isAttached) native().hookDetach(this.#place, { ...this.#place, programFd: 0 });
    this.#isDetached = true;
  }
}

function replace(program: Program, place: Required<TcFilterPlace>): number {
  const result = native().hookAttach(place, { ...place, programFd: program.fd });
  if (result < 0) {
    throw new BpfError('attach-failed', `${program.name} was not attached to device ${place.ifindex}, ${place.direction}`, {
      errno: -result,
    });
  }
  return idAt(place);
}

function idAt(place: Required<TcFilterPlace>): number {
  const result = native().hookQuery(place, { ...place, programFd: 0 });
  return result === -ENOENT ? 0 : result;
}
