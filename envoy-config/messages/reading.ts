import type { DescMessage, FileRegistry } from '@bufbuild/protobuf';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import { Findings, type MessageCode } from './findings.ts';
import type { Path } from './path.ts';

/** Envoy's protobuf library and ours refuse to decode what is nested deeper. */
export const MAX_DEPTH = 100;
/** An object of Kubernetes cannot hold as many; what repeats itself through aliases of YAML can. */
const MAX_VALUES = 1_000_000;

/**
 * @param depth how many messages the encoded one is in, those around an Any too
 * @returns undefined where something is wrong, which has been found then
 */
export type ReadMessage = (reading: Reading, schema: DescMessage, json: unknown, path: Path, depth: number) => ReflectMessage | undefined;

/** One JSON while it is read. */
export class Reading {
  readonly registry: FileRegistry;
  /** For what is in a message; given, since it needs what needs it. */
  readonly readMessage: ReadMessage;
  readonly findings = new Findings();
  #values = 0;

  constructor(registry: FileRegistry, readMessage: ReadMessage) {
    this.registry = registry;
    this.readMessage = readMessage;
  }

  /** @returns undefined, which stands for a value that could not be read */
  wrong(path: Path, code: MessageCode, message: string | (() => string)): undefined {
    return this.findings.add(path, code, message);
  }

  /** To be asked once for each value, before what is in it is read. */
  mayRead(path: Path, depth: number): boolean {
    this.#values++;
    if (this.#values === MAX_VALUES) this.wrong(path, 'TooLarge', `and what follows is not read: there are more than ${MAX_VALUES} values`);
    if (this.#values >= MAX_VALUES) return false;
    if (depth > MAX_DEPTH) this.wrong(path, 'TooDeep', `is nested deeper than ${MAX_DEPTH} messages`);
    return depth <= MAX_DEPTH;
  }
}
