import { create } from '@bufbuild/protobuf';
import {
  type GetFlowsRequest,
  type GetFlowsResponse,
  GetFlowsResponseSchema,
  type GetNamespacesResponse,
  GetNamespacesResponseSchema,
  type GetNodesResponse,
  GetNodesResponseSchema,
  type ServerStatusResponse,
  ServerStatusResponseSchema,
} from '@sluice/envoy-protos/hubble/observer_pb.js';
import { NodeState } from '@sluice/envoy-protos/hubble/relay_pb.js';
import { compareText } from '../../model/index.ts';
import { Arrivals } from '../arrivals.ts';
import type { FlowLosses, LossPlace } from '../flow-losses.ts';
import { type Observed, observe } from '../flow-query.ts';
import type { FlowRing } from '../flow-ring.ts';
import { OptionProblem } from '../option-problem.ts';
import { systemTime, timestamp } from '../time.ts';
import { Turns } from '../turns.ts';
import { maskFlow, readMask } from './field-mask.ts';
import { flowMessage } from './flow-message.ts';
import { CLUSTER_NAME, LOSS_SOURCES, nodeNameOf } from './names.ts';
import { readQuery } from './query.ts';

const HOUR = 3_600_000_000_000n;
/** Of these, whoever asks is told with the next flow. */
const TOLD_LOSSES: readonly LossPlace[] = ['kernel', 'limit', 'enforcer', 'envoy', 'agent'];

export interface ObserverOptions {
  readonly ring: FlowRing;
  readonly losses: FlowLosses;
  readonly node: string;
  readonly version: string;
  /** Nanoseconds since 1970. Default: the system's clock. */
  readonly now?: () => bigint;
}

/** Answers what clients of Hubble ask of one node. @see https://docs.cilium.io/en/stable/_api/v1/observer/README/ */
export class Observer {
  readonly #options: ObserverOptions;
  readonly #now: () => bigint;
  readonly #startedAt: bigint;
  readonly #arrivals = new Arrivals();

  constructor(options: ObserverOptions) {
    this.#options = options;
    this.#now = options.now ?? systemTime;
    this.#startedAt = this.#now();
    options.ring.watch(() => this.#arrivals.note(this.#now()));
  }

  /** @returns what is wrong with the request, where something is */
  flows(request: GetFlowsRequest, signal: AbortSignal): AsyncGenerator<GetFlowsResponse> | OptionProblem {
    const query = readQuery(request);
    if (query instanceof OptionProblem) return query;
    const mask = readMask(request.fieldMask);
    return this.#responses(observe(this.#options.ring, query, signal, this.#now), (message) => (mask ? maskFlow(message, mask) : message));
  }

  async *#responses(
    all: AsyncGenerator<Observed>,
    shown: (message: ReturnType<typeof flowMessage>) => ReturnType<typeof flowMessage>,
  ): AsyncGenerator<GetFlowsResponse> {
    const { losses } = this.#options;
    const told = new Map(TOLD_LOSSES.map((place) => [place, losses.of(place)]));
    for await (const observed of all) {
      for (const [place, before] of told) {
        const count = losses.of(place) - before;
        if (count === 0n) continue;
        told.set(place, before + count);
        yield this.#lost(place, count);
      }
      if (observed.kind === 'flow') {
        const { flow } = observed;
        const value = shown(flowMessage(flow));
        yield create(GetFlowsResponseSchema, {
          nodeName: nodeNameOf(this.#options),
          time: timestamp(flow.time),
          responseTypes: { case: 'flow', value },
        });
      } else {
        losses.add('reader', BigInt(observed.count));
        yield this.#lost('reader', BigInt(observed.count));
      }
    }
  }

  #lost(place: LossPlace, numEventsLost: bigint): GetFlowsResponse {
    return create(GetFlowsResponseSchema, {
      nodeName: nodeNameOf(this.#options),
      time: timestamp(this.#now()),
      responseTypes: { case: 'lostEvents', value: { $typeName: 'flow.LostEvent', source: LOSS_SOURCES[place], numEventsLost } },
    });
  }

  status(): ServerStatusResponse {
    const { ring, version } = this.#options;
    return create(ServerStatusResponseSchema, {
      numFlows: BigInt(ring.size),
      maxFlows: BigInt(ring.capacity),
      seenFlows: BigInt(ring.seen),
      uptimeNs: this.#now() - this.#startedAt,
      version,
      flowsRate: this.#arrivals.rate(this.#now()),
    });
  }

  nodes(): GetNodesResponse {
    const { ring, version } = this.#options;
    const node = {
      name: nodeNameOf(this.#options),
      version,
      state: NodeState.NODE_CONNECTED,
      uptimeNs: this.#now() - this.#startedAt,
      numFlows: BigInt(ring.size),
      maxFlows: BigInt(ring.capacity),
      seenFlows: BigInt(ring.seen),
    };
    return create(GetNodesResponseSchema, { nodes: [node] });
  }

  /** Those that flows of the last hour name, of such as are remembered. */
  async namespaces(): Promise<GetNamespacesResponse> {
    const { ring } = this.#options;
    const since = this.#now() - HOUR;
    const found = new Set<string>();
    const turns = new Turns();
    for (let number = ring.oldest; number < ring.seen; number++) {
      if (turns.isOver) await turns.end();
      const flow = ring.at(number);
      if (!flow || flow.time < since) continue;
      for (const { namespace } of [flow.source, flow.destination]) if (namespace !== undefined) found.add(namespace);
    }
    const namespaces = [...found].sort(compareText).map((namespace) => ({ cluster: CLUSTER_NAME, namespace }));
    return create(GetNamespacesResponseSchema, { namespaces });
  }
}
