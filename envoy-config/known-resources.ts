import { type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import type { ResourceKind } from './references/meaning.ts';

/** A resource with which nothing was wrong, by itself. */
interface Known {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly desc: DescMessage;
  readonly body: Uint8Array;
}

const MAX_LENGTH = 16 * 1024 * 1024;

/** Resources that were read before, by what was written: of a config that is edited, most are. For one list of what is allowed. */
export class KnownResources {
  readonly #known = new Map<string, Known>();
  readonly #maxLength: number;
  #length = 0;

  /** @param maxLength how long all texts may be together; beyond it all are forgotten */
  constructor(maxLength = MAX_LENGTH) {
    this.#maxLength = maxLength;
  }

  /** A message of its own for each caller, who may change it. */
  get(json: string): (Pick<Known, 'kind' | 'name'> & { readonly message: ReflectMessage }) | undefined {
    const known = this.#known.get(json);
    if (!known) return undefined;
    const { kind, name, desc, body } = known;
    return { kind, name, message: reflect(desc, fromBinary(desc, body)) };
  }

  add(
    json: string,
    { kind, name, message }: { readonly kind: ResourceKind; readonly name: string; readonly message: ReflectMessage },
  ): void {
    this.#length += json.length;
    if (this.#length > this.#maxLength) {
      this.#known.clear();
      this.#length = json.length;
    }
    this.#known.set(json, { kind, name, desc: message.desc, body: toBinary(message.desc, message.message) });
  }
}
