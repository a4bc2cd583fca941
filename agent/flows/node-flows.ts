import { FlowRing, Observer } from '../../flows/index.ts';
import type { RpcServer, SnapshotCache } from '../../xds-server/serve/index.ts';
import { FLOW_INTAKE_METHODS, FlowIntake } from './flow-intake.ts';
import { flowOfEvent } from './from-datapath.ts';
import { NodeDirectory } from './node-directory.ts';
import { OBSERVER_METHODS, ObserverService } from './observer-service.ts';

export interface NodeFlowsOptions {
  readonly node: string;
  readonly version: string;
  /** How many flows are remembered. */
  readonly capacity: number;
  /** What the enforcer of this node is told. */
  readonly cache: Pick<SnapshotCache, 'get' | 'ofType' | 'watch'>;
}

/** The last flows of a node: hears of them from its enforcer, and tells whoever asks. */
export class NodeFlows implements Disposable {
  readonly ring: FlowRing;
  readonly #directory: NodeDirectory;
  readonly #node: string;
  readonly #intake = new FlowIntake({
    onEvents: (events) => {
      for (const event of events) this.#add(event);
    },
    onLost: (count) => {
      this.lost += count;
    },
  });
  readonly #service: ObserverService;
  /** Flows that nobody was told of, since there was no room for them on the way here. */
  lost = 0n;

  constructor({ node, version, capacity, cache }: NodeFlowsOptions) {
    this.ring = new FlowRing(capacity);
    this.#node = node;
    this.#directory = new NodeDirectory(cache, node);
    this.#service = new ObserverService(new Observer({ ring: this.ring, node, version }));
  }

  /** Hears of flows by a server. To be called before it listens. */
  hear(rpc: RpcServer): void {
    rpc.add(FLOW_INTAKE_METHODS, this.#intake);
  }

  /** Answers Hubble's clients by a server. To be called before it listens. */
  answer(rpc: RpcServer): void {
    rpc.add(OBSERVER_METHODS, this.#service);
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }

  #add(event: Parameters<typeof flowOfEvent>[0]): void {
    const flow = flowOfEvent(event, { node: this.#node, directory: this.#directory });
    if (flow) this.ring.add(flow);
  }
}
