import { readVersions } from '../../cli/version.ts';
import type { ManifestObject } from '../../testkit/manifest-objects.ts';
import { RunningSluice } from '../../testkit/running-sluice.ts';
import { LoopbackPods } from './loopback-pods.ts';
import type { ClusterAccess, Deployment, ObjectName, Platform, Site, Target } from './platform.ts';

/** A `sluice run` on a folder for each scenario: no cluster, so no addresses, Services of Ingresses and statuses, but all of the traffic. */
export class StandalonePlatform implements Platform {
  readonly kind = 'standalone';
  readonly concurrency = 2;
  readonly limitMs = 90_000;
  readonly #onApply: (object: ManifestObject) => void;

  /** @param onApply is told of every object, for a test of what scenarios are made of */
  constructor(onApply: (object: ManifestObject) => void = () => {}) {
    this.#onApply = onApply;
  }

  async versions(): Promise<Readonly<Record<string, string>>> {
    const { sluice, envoy } = readVersions();
    return { Sluice: `${sluice}, standalone`, Envoy: envoy };
  }

  async open(): Promise<Site> {
    const sluice = new RunningSluice();
    await sluice.start();
    return new StandaloneSite(sluice, this.#onApply);
  }

  async close(): Promise<void> {}
}

class StandaloneSite implements Site {
  readonly #sluice: RunningSluice;
  readonly #onApply: (object: ManifestObject) => void;
  readonly #pods: LoopbackPods;

  constructor(sluice: RunningSluice, onApply: (object: ManifestObject) => void) {
    this.#sluice = sluice;
    this.#onApply = onApply;
    this.#pods = new LoopbackPods((slice) => sluice.write(fileOf(slice), slice));
  }

  /** A folder knows namespaces only by the objects in them. */
  async addNamespace(): Promise<void> {}

  async apply(...objects: readonly ManifestObject[]): Promise<void> {
    for (const object of objects) {
      this.#onApply(object);
      this.#sluice.write(fileOf(object), object);
      if (object.kind === 'Service') this.#pods.follow(object);
    }
  }

  async remove({ apiVersion, kind, namespace, name }: ObjectName): Promise<void> {
    this.#sluice.remove(fileOf({ apiVersion, kind, metadata: { namespace, name } }));
    if (kind === 'Service') this.#pods.forget(namespace, name);
  }

  async deploy(deployment: Deployment): Promise<void> {
    await this.#pods.scale(deployment);
  }

  async untilServed(): Promise<Target> {
    await this.#sluice.settled();
    return { address: '127.0.0.1', httpPort: this.#sluice.httpPort, httpsPort: this.#sluice.httpsPort };
  }

  async ownAddress(): Promise<string> {
    return '127.0.0.1';
  }

  cluster(): ClusterAccess {
    throw new Error('this scenario needs a cluster, and does not say so');
  }

  async close(): Promise<void> {
    await this.#sluice.stop();
    await this.#pods[Symbol.asyncDispose]();
  }
}

function fileOf({ kind, metadata }: ManifestObject): string {
  return `${metadata.namespace || 'cluster'}.${kind}.${metadata.name}.yaml`.toLowerCase();
}
