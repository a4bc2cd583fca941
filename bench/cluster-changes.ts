import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../testkit/eventually.ts';
import { Asker, type MeasuredChange, measureChange } from './changes.ts';
import { CLUSTER_SIZE, type ClusterCorpus, hostOf, serviceOf } from './cluster-corpus.ts';

/** Between two questions of a client that waits, so that it leaves the processors to what it waits for. */
const ASK_EVERY_MS = 1;
const WITHIN_MS = 180_000;
/** Of a node, for requests to Ingresses that share an address. */
const SHARED_PORT = 20_000;
/** An Ingress that shares its address, of the last Service, which churn leaves alone. */
const PROBE = CLUSTER_SIZE.services - 1;

/** Ports of two backends, by the names that they answer with. */
export interface BackendPorts {
  readonly first: number;
  readonly second: number;
}

/** Changes at the API server, each followed until a node's Envoy answers by it. */
export class ClusterChanges {
  readonly #corpus: ClusterCorpus;
  readonly #ports: BackendPorts;
  readonly #asker = new Asker(SHARED_PORT);
  /** The path of the probe. */
  #path = 'start';
  #usesSecond = false;

  constructor(corpus: ClusterCorpus, ports: BackendPorts) {
    this.#corpus = corpus;
    this.#ports = ports;
  }

  /** Gives the probe another path, and does not wait. */
  async setProbe(path: string): Promise<void> {
    this.#path = path;
    await this.#corpus.setPath(PROBE, `/${path}`);
  }

  /** Until the probe is answered by its path. */
  async untilProbeServed(): Promise<void> {
    await eventually(
      async () => {
        const { status } = await this.#ask(PROBE, this.#path);
        if (status !== 200) throw new Error(`answered with ${status}`);
      },
      { withinMs: WITHIN_MS },
    );
  }

  /** One of the Ingresses that share an address gets another path. @param sample which of them, and not twice the same in a row */
  async changeRoute(path: string, sample: number): Promise<MeasuredChange> {
    const { ingresses, services } = CLUSTER_SIZE;
    const ingress = services + ((sample * 7919) % (ingresses - services));
    return await measureChange(
      () => this.#corpus.setPath(ingress, `/${path}`),
      async () => (await this.#ask(ingress, path)).status === 200,
    );
  }

  /** All endpoints of the probe's Service move to the other backend. */
  async changeEndpoints(): Promise<MeasuredChange> {
    this.#usesSecond = !this.#usesSecond;
    const name = this.#usesSecond ? 'second' : 'first';
    return await measureChange(
      () => this.#corpus.setPort(serviceOf(PROBE), this.#ports[name]),
      async () => (await this.#ask(PROBE, this.#path)).backend === name,
      WITHIN_MS,
    );
  }

  close(): void {
    this.#asker.close();
  }

  async #ask(ingress: number, path: string) {
    await sleep(ASK_EVERY_MS);
    return await this.#asker.ask(hostOf(ingress), `/${path}`);
  }
}

/** From when the API server said that it has a change to the first answer by it. */
export function lagOf({ servedMs, writtenMs }: MeasuredChange): number {
  return Math.max(0, servedMs - writtenMs);
}
