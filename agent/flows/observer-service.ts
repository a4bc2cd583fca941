import { once } from 'node:events';
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import {
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
} from '@sluice/envoy-protos/hubble/health_pb.js';
import {
  GetFlowsRequestSchema,
  type GetFlowsResponse,
  GetFlowsResponseSchema,
  GetNamespacesRequestSchema,
  GetNamespacesResponseSchema,
  GetNodesRequestSchema,
  GetNodesResponseSchema,
  ServerStatusRequestSchema,
  ServerStatusResponseSchema,
} from '@sluice/envoy-protos/hubble/observer_pb.js';
import { type Observer, OptionProblem } from '../../flows/index.ts';
import { type Call, endCall, type RpcMethod, type StreamHandler } from '../../xds-server/serve/index.ts';

type Answers = AsyncIterable<Uint8Array>;

export interface ObserverMethod extends RpcMethod {
  /** @returns what is wrong with the request, where something is */
  answer(observer: Observer, request: Uint8Array, signal: AbortSignal): Answers | OptionProblem;
}

function method<Q extends DescMessage, A extends DescMessage>(
  path: string,
  [requests, answers]: readonly [Q, A],
  answer: (observer: Observer, request: MessageShape<Q>) => MessageShape<A> | Promise<MessageShape<A>>,
): ObserverMethod {
  return {
    path,
    answer: (observer, bytes) => {
      const request = decoded(requests, bytes);
      return request instanceof OptionProblem ? request : single(answers, answer(observer, request));
    },
  };
}

async function* single<A extends DescMessage>(answers: A, answer: MessageShape<A> | Promise<MessageShape<A>>): AsyncGenerator<Uint8Array> {
  yield toBinary(answers, await answer);
}

function decoded<Q extends DescMessage>(requests: Q, bytes: Uint8Array): MessageShape<Q> | OptionProblem {
  try {
    return fromBinary(requests, bytes);
  } catch {
    return new OptionProblem('the request cannot be read');
  }
}

/** @see https://docs.cilium.io/en/stable/_api/v1/observer/README/ */
export const OBSERVER_METHODS: readonly ObserverMethod[] = [
  {
    path: '/observer.Observer/GetFlows',
    answer: (observer, bytes, signal) => {
      const request = decoded(GetFlowsRequestSchema, bytes);
      if (request instanceof OptionProblem) return request;
      const flows = observer.flows(request, signal);
      return flows instanceof OptionProblem ? flows : encoded(flows);
    },
  },
  method('/observer.Observer/ServerStatus', [ServerStatusRequestSchema, ServerStatusResponseSchema], (observer) => observer.status()),
  method('/observer.Observer/GetNodes', [GetNodesRequestSchema, GetNodesResponseSchema], (observer) => observer.nodes()),
  method('/observer.Observer/GetNamespaces', [GetNamespacesRequestSchema, GetNamespacesResponseSchema], (observer) =>
    observer.namespaces(),
  ),
  method('/grpc.health.v1.Health/Check', [HealthCheckRequestSchema, HealthCheckResponseSchema], () => {
    return create(HealthCheckResponseSchema, { status: HealthCheckResponse_ServingStatus.SERVING });
  }),
];

async function* encoded(flows: AsyncIterable<GetFlowsResponse>): AsyncGenerator<Uint8Array> {
  for await (const response of flows) yield toBinary(GetFlowsResponseSchema, response);
}

/** Serves {@link OBSERVER_METHODS}. A client that reads slowly is told how many flows it has missed, and holds up nobody. */
export class ObserverService implements StreamHandler<ObserverMethod> {
  readonly #observer: Observer;
  readonly #release: (identity: string | undefined) => void;
  readonly #calls = new Set<Call>();

  /** @param release told who asked, once it is over */
  constructor(observer: Observer, release: (identity: string | undefined) => void = () => {}) {
    this.#observer = observer;
    this.#release = release;
  }

  serve(call: Call, { answer }: ObserverMethod, identity?: string): void {
    const over = new AbortController();
    this.#calls.add(call);
    for (const event of ['cancelled', 'close', 'error', 'finish']) {
      call.on(event, () => {
        over.abort();
        if (this.#calls.delete(call)) this.#release(identity);
      });
    }
    const unasked = () => endCall(call, status.INVALID_ARGUMENT, 'the request has no message');
    call.once('end', unasked);
    // There is one message, whatever the method.
    call.once('data', (request: Buffer) => {
      call.off('end', unasked);
      void this.#answer(call, () => answer(this.#observer, request, over.signal), over.signal);
    });
  }

  endStreams(code: status, details: string): void {
    for (const call of this.#calls) endCall(call, code, details);
  }

  async #answer(call: Call, ask: () => Answers | OptionProblem, signal: AbortSignal): Promise<void> {
    try {
      const answers = ask();
      if (answers instanceof OptionProblem) return endCall(call, status.INVALID_ARGUMENT, answers.message);
      for await (const answer of answers) {
        if (signal.aborted) return;
        if (!call.write(answer)) await once(call, 'drain', { signal });
      }
      call.end();
    } catch (error) {
      if (!signal.aborted) endCall(call, status.INTERNAL, error instanceof Error ? error.message : String(error));
    }
  }
}
