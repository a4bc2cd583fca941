import { isDeepStrictEqual } from 'node:util';
import type { EnvoyConfig, EnvoyConfigReading } from '../../envoy-config/index.ts';
import { diagnoseEnvoyConfig } from '../../envoy-config/index.ts';
import { type CiliumEnvoyConfig, isEnvoyConfig, type ObjectBatch, refOf } from '../../kube/index.ts';
import { type Diagnostic, objectKey } from '../../model/index.ts';
import type { Inputs } from './inputs.ts';

/** What is made of an object that amounts to a config, as it is at present. */
export interface ConfigVerdict {
  readonly object: { readonly metadata: Pick<CiliumEnvoyConfig['metadata'], 'creationTimestamp'> };
  /** What is served of it: itself, or what it was when it was right; absent where it never was. */
  readonly inForce?: EnvoyConfig;
  readonly diagnostics: readonly Diagnostic[];
}

/** Of a CiliumEnvoyConfig, or one of no namespace. */
export interface EnvoyConfigVerdict extends ConfigVerdict {
  /** As it was when it was judged: its status may be an old one. */
  readonly object: CiliumEnvoyConfig;
  /** What that was made of. */
  readonly good?: GoodVersion;
}

/** A version of an object that was right. */
export interface GoodVersion {
  /** By the API server's count; absent where the object is from elsewhere. */
  readonly generation?: number;
  readonly spec: unknown;
}

interface LastGood {
  readonly uid: string | undefined;
  readonly config: EnvoyConfig;
  readonly good: GoodVersion;
}

/**
 * Which configs are served. One that is wrong leaves what it was before, also where only its status remembers that; one that is made anew
 * under the same name is another.
 */
export class EnvoyConfigsInForce {
  readonly #read: (object: CiliumEnvoyConfig) => EnvoyConfigReading;
  readonly #judged = new Map<string, CiliumEnvoyConfig>();
  readonly #lastGood = new Map<string, LastGood>();

  constructor(read: (object: CiliumEnvoyConfig) => EnvoyConfigReading) {
    this.#read = read;
  }

  /** Takes in what a batch says of configs. What changes in a status alone makes no difference. */
  take({ envoyConfigs }: Pick<Inputs, 'envoyConfigs'>, { upserts, removals }: Pick<ObjectBatch, 'upserts' | 'removals'>): void {
    for (const ref of removals) {
      if (!isEnvoyConfig(ref)) continue;
      this.#judged.delete(objectKey(ref));
      this.#lastGood.delete(objectKey(ref));
      envoyConfigs.delete(objectKey(ref));
    }
    for (const object of upserts) {
      if (!isEnvoyConfig(object)) continue;
      const key = objectKey(refOf(object));
      const before = this.#judged.get(key);
      if (before && saysTheSame(before, object)) continue;
      this.#judged.set(key, object);
      envoyConfigs.set(key, this.#judge(object));
    }
  }

  #judge(object: CiliumEnvoyConfig): EnvoyConfigVerdict {
    const ref = refOf(object);
    const { config, diagnostics } = this.#read(object);
    if (config) {
      const { good } = this.#remember(object, config, object.spec, object.metadata.generation);
      return { object, inForce: config, good, diagnostics };
    }
    const last = this.#recall(object);
    if (!last) return { object, diagnostics };
    const kept = diagnoseEnvoyConfig(ref, ['spec'], 'LastGoodEnvoyConfig', 'what it said when it was right stays in force');
    return { object, inForce: last.config, good: last.good, diagnostics: [...diagnostics, kept] };
  }

  #remember(object: CiliumEnvoyConfig, config: EnvoyConfig, spec: unknown, generation: number | undefined): LastGood {
    const last = { uid: object.metadata.uid, config, good: { spec, ...(generation !== undefined && { generation }) } };
    this.#lastGood.set(objectKey(refOf(object)), last);
    return last;
  }

  #recall(object: CiliumEnvoyConfig): LastGood | undefined {
    const key = objectKey(refOf(object));
    const last = this.#lastGood.get(key);
    if (last && last.uid === object.metadata.uid) return last;
    this.#lastGood.delete(key);
    return this.#recallFromStatus(object);
  }

  /** Whoever may write a status may not write more by it than by the object: it is judged in the same way. */
  #recallFromStatus(object: CiliumEnvoyConfig): LastGood | undefined {
    const accepted = object.status?.lastAccepted;
    if (object.metadata.uid === undefined || !accepted) return undefined;
    const { config } = this.#read({ ...object, spec: accepted.spec });
    return config && this.#remember(object, config, accepted.spec, accepted.generation);
  }
}

/** All that is read of an object but its status. */
function saysTheSame(a: CiliumEnvoyConfig, b: CiliumEnvoyConfig): boolean {
  return isDeepStrictEqual([a.metadata, a.spec], [b.metadata, b.spec]);
}
