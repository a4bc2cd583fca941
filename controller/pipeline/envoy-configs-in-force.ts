import type { EnvoyConfig, EnvoyConfigReading } from '../../envoy-config/index.ts';
import { diagnoseEnvoyConfig } from '../../envoy-config/index.ts';
import { type CiliumEnvoyConfig, type ObjectBatch, refOf } from '../../kube/index.ts';
import { type Diagnostic, type ObjectRef, objectKey } from '../../model/index.ts';
import type { Inputs } from './inputs.ts';

/** What is made of a CiliumEnvoyConfig, or one of no namespace, as it is at present. */
export interface EnvoyConfigVerdict {
  readonly object: CiliumEnvoyConfig;
  /** What is served of it: itself, or what it was when it was right; absent where it never was. */
  readonly inForce?: EnvoyConfig;
  readonly diagnostics: readonly Diagnostic[];
}

interface LastGood {
  readonly uid: string | undefined;
  readonly config: EnvoyConfig;
}

/** Which configs are served. One that is wrong leaves what it was before; one that is made anew under the same name is another. */
export class EnvoyConfigsInForce {
  readonly #read: (object: CiliumEnvoyConfig) => EnvoyConfigReading;
  readonly #lastGood = new Map<string, LastGood>();

  constructor(read: (object: CiliumEnvoyConfig) => EnvoyConfigReading) {
    this.#read = read;
  }

  /** Takes in what a batch says of configs. */
  take({ envoyConfigs }: Pick<Inputs, 'envoyConfigs'>, { upserts, removals }: Pick<ObjectBatch, 'upserts' | 'removals'>): void {
    for (const ref of removals) {
      if (!isEnvoyConfig(ref)) continue;
      this.#lastGood.delete(objectKey(ref));
      envoyConfigs.delete(objectKey(ref));
    }
    for (const object of upserts) if (isEnvoyConfig(object)) envoyConfigs.set(objectKey(refOf(object)), this.#judge(object));
  }

  #judge(object: CiliumEnvoyConfig): EnvoyConfigVerdict {
    const ref = refOf(object);
    const { uid } = object.metadata;
    const reading = this.#read(object);
    if (reading.config) this.#lastGood.set(objectKey(ref), { uid, config: reading.config });
    else if (this.#lastGood.get(objectKey(ref))?.uid !== uid) this.#lastGood.delete(objectKey(ref));
    const inForce = this.#lastGood.get(objectKey(ref))?.config;
    const { diagnostics } = reading;
    if (reading.config || !inForce) return { object, diagnostics, ...(inForce && { inForce }) };
    const kept = diagnoseEnvoyConfig(ref, ['spec'], 'LastGoodEnvoyConfig', 'what it said when it was right stays in force');
    return { object, inForce, diagnostics: [...diagnostics, kept] };
  }
}

function isEnvoyConfig(object: { readonly kind: string }): object is CiliumEnvoyConfig;
function isEnvoyConfig(object: ObjectRef): boolean;
function isEnvoyConfig({ kind }: { readonly kind: string }): boolean {
  return kind === 'CiliumEnvoyConfig' || kind === 'CiliumClusterwideEnvoyConfig';
}
