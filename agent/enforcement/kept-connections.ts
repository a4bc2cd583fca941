import type { Datapath } from '../../bpf/datapath/index.ts';
import { type Identity, RESERVED_IDENTITIES, type SubjectPolicy } from '../../model/index.ts';
import type { DevicesState } from '../pods/index.ts';
import { FailureOnce } from './failure-once.ts';

export interface KeptConnectionsOptions {
  readonly datapath: Pick<Datapath, 'askDoors'>;
  readonly policyOf: (identity: Identity) => SubjectPolicy | undefined;
  readonly labelsOf: (identity: Identity) => readonly string[] | undefined;
  /** Told once what could not be done. */
  readonly onFailure: (error: Error) => void;
}

const { ingress: INGRESS } = RESERVED_IDENTITIES;

/**
 * Connections that Envoys of this node and of others keep to pods of this one, for requests of Ingresses to come. Where something
 * else decides of a pod, those that it ends are to end before a request goes by them: docs/decisions/ingress-identity.md.
 */
export class KeptConnections {
  readonly #options: KeptConnectionsOptions;
  /** What was in force for a pod when its connections were seen to last, by the device. */
  #seen: ReadonlyMap<number, SubjectPolicy | undefined> = new Map();
  readonly #failure: FailureOnce;

  constructor(options: KeptConnectionsOptions) {
    this.#options = options;
    this.#failure = new FailureOnce(options.onFailure);
  }

  /** What slots lead to is another, so connections of all pods are seen to when this is asked next. */
  forget(): void {
    this.#seen = new Map();
  }

  /** To be called when what is told is in force. */
  async see(pods: DevicesState['pods']): Promise<void> {
    const { datapath, policyOf, labelsOf } = this.#options;
    const seen = new Map(pods.map(({ ifindex, endpoint }) => [ifindex, policyOf(endpoint.identity)]));
    const changed = pods.flatMap(({ ifindex, namespace, mac }) => {
      const policy = seen.get(ifindex);
      return mac === undefined || policy === undefined || policy === this.#seen.get(ifindex) ? [] : [{ ifindex, namespace, mac }];
    });
    this.#seen = seen;
    if (changed.length === 0) return;
    try {
      await datapath.askDoors(changed, (peer) => peer === INGRESS || labelsOf(peer)?.includes('reserved:ingress') === true);
      this.#failure.over();
    } catch (cause) {
      this.#failure.note(cause);
    }
  }
}
