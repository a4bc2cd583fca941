import { status } from '@grpc/grpc-js';
import {
  type Call,
  decodeFlowBatch,
  encodeTaken,
  endCall,
  FLOWS_PATH,
  type FlowBatch,
  type RpcMethod,
  type StreamHandler,
} from '../../xds-server/serve/index.ts';

export const FLOW_INTAKE_METHODS: readonly RpcMethod[] = [{ path: FLOWS_PATH }];

export interface FlowIntakeOptions {
  readonly onEvents: (events: FlowBatch['events']) => void;
  /** Told how many were lost before a batch, where some were. */
  readonly onLost: (where: 'kernel' | 'limit' | 'enforcer', count: bigint) => void;
  /** Told that there is another enforcer, and the one before had not said that it had told all. */
  readonly onCutOff: () => void;
}

/** Hears of flows from the enforcer of this node. Each batch is taken once, however often it comes. */
export class FlowIntake implements StreamHandler<RpcMethod> {
  readonly #options: FlowIntakeOptions;
  readonly #calls = new Set<Call>();
  #teller = '';
  #taken = 0n;
  /** Whether the enforcer has said that it has told all. */
  #isFinished = true;

  constructor(options: FlowIntakeOptions) {
    this.#options = options;
  }

  serve(call: Call): void {
    this.#calls.add(call);
    call.on('data', (bytes: Buffer) => {
      const batch = decodeFlowBatch(bytes);
      if (!batch) return endCall(call, status.INVALID_ARGUMENT, 'this is no batch of flows');
      this.#take(batch);
      call.write(encodeTaken(batch.number));
    });
    call.on('end', () => call.end());
    for (const event of ['cancelled', 'close', 'error']) call.on(event, () => this.#calls.delete(call));
  }

  endStreams(code: status = status.UNAVAILABLE, details = 'the agent shuts down'): void {
    for (const call of [...this.#calls]) endCall(call, code, details);
  }

  #take({ teller, number, events, lost, lostInKernel, beyondLimit }: FlowBatch): void {
    if (teller !== this.#teller) {
      if (!this.#isFinished) this.#options.onCutOff();
      this.#taken = 0n;
    }
    this.#teller = teller;
    if (number <= this.#taken) return;
    this.#isFinished = events.length === 0 && lost + lostInKernel + beyondLimit === 0n;
    this.#taken = number;
    if (lostInKernel > 0n) this.#options.onLost('kernel', lostInKernel);
    if (beyondLimit > 0n) this.#options.onLost('limit', beyondLimit);
    if (lost > 0n) this.#options.onLost('enforcer', lost);
    this.#options.onEvents(events);
  }
}
