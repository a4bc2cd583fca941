import { resolve } from 'node:path';
import type { ServerCredentials } from '@grpc/grpc-js';
import { type Flow, FlowLosses, FlowRing, type LossPlace, Observer } from '../../flows/index.ts';
import type { ExportState } from '../../otlp/index.ts';
import { identifyClient } from '../../pki/index.ts';
import { type ListenAddress, RpcServer, type SnapshotCache } from '../../xds-server/serve/index.ts';
import type { AccessLogHearer } from '../access-logs/access-log-intake.ts';
import { FailureSeldom } from '../failure-seldom.ts';
import { Deciders } from './deciders.ts';
import { FLOW_INTAKE_METHODS, FlowIntake } from './flow-intake.ts';
import { flowOfEvent } from './from-datapath.ts';
import { type EnvoyContext, flowsOfLog } from './from-envoy.ts';
import { NodeDirectory } from './node-directory.ts';
import { OBSERVER_METHODS, ObserverService } from './observer-service.ts';
import type { ExportFlowsOptions, RunningExport } from './otel/export-flows.ts';
import { SlotDecisions } from './slot-decisions.ts';

/** Where Hubble's clients ask, in the folder of what this node keeps while it runs. */
export const FLOW_SOCKET = 'flows.sock';

/** Of what is asked: filters of a person or a program are small. */
const MAX_REQUEST_BYTES = 64 * 1024;

export interface NodeFlowsOptions {
  readonly node: string;
  readonly version: string;
  /** How many flows are remembered. */
  readonly capacity: number;
  /** What the enforcer of this node is told. */
  readonly cache: Pick<SnapshotCache, 'get' | 'ofType' | 'watch'>;
  /** Told of what went wrong with a flow, of one in a minute. Each counts as lost in `agent`. */
  readonly onFailure?: (error: Error) => void;
}

/** Counts are since the start. */
export interface FlowsState {
  /** Where clients of Hubble ask, on this machine. */
  readonly socket?: string;
  readonly remembered: number;
  readonly capacity: number;
  readonly seen: number;
  /** By where. */
  readonly lost: Readonly<Record<LossPlace, number>>;
  /** Absent where no collector is told. */
  readonly exported?: Omit<ExportState, 'lost'>;
}

export interface FlowAddress {
  readonly host: string;
  readonly port: number;
  /** By which clients are known. */
  readonly credentials: ServerCredentials;
  /** Whose certificates may ask: SPIFFE ids; one that ends with `/*` is of all below. */
  readonly clients: readonly string[];
}

/** The last flows of a node: hears of them from its enforcer and its Envoy, and tells whoever asks. */
export class NodeFlows implements AsyncDisposable {
  readonly ring: FlowRing;
  readonly losses = new FlowLosses();
  /** Hears of what the node's Envoy has logged. */
  readonly ofEnvoy: AccessLogHearer;
  readonly #cleanUp = new AsyncDisposableStack();
  readonly #directory: NodeDirectory;
  readonly #deciders: Deciders;
  readonly #node: string;
  readonly #intake = new FlowIntake({
    onEvents: (events) => {
      for (const event of events) this.#guard(() => this.#add(event));
    },
    onLost: (where, count) => this.losses.add(where, count),
    onCutOff: () => this.#failures.note(new Error('the enforcer ended before it had told all that it saw; how much that was is not known')),
  });
  readonly #observer: Observer;
  readonly #failures: FailureSeldom;
  #socket: string | undefined;
  readonly #ofEnvoy: EnvoyContext;
  #export: RunningExport | undefined;

  constructor({ node, version, capacity, cache, onFailure = () => {} }: NodeFlowsOptions) {
    this.#failures = new FailureSeldom(onFailure);
    this.ring = new FlowRing(capacity, (error) => this.#lose(error));
    this.#node = node;
    this.#directory = this.#cleanUp.use(new NodeDirectory(cache));
    this.#deciders = new Deciders(cache);
    this.#observer = new Observer({ ring: this.ring, losses: this.losses, node, version });
    this.#ofEnvoy = { node, directory: this.#directory, decisions: new SlotDecisions(cache), shownHeaders: new Set() };
    this.ofEnvoy = {
      hear: (log, entries) => {
        for (const flowsOf of flowsOfLog(log, entries, this.#ofEnvoy)) this.#guard(() => this.#addAll(flowsOf()));
      },
      miss: () => this.losses.add('agent', 1n),
    };
  }

  /** Hears of flows from the enforcer, by a server. To be called before it listens. */
  hear(rpc: RpcServer): void {
    rpc.add(FLOW_INTAKE_METHODS, this.#intake);
  }

  /** Answers Hubble's clients at a Unix socket, of this user and its group. @throws XdsError `address-in-use` or `listen-failed` */
  async listen(path: string): Promise<void> {
    await this.#serve({ path, group: true });
    this.#socket = resolve(path);
  }

  /**
   * Answers Hubble's clients of other machines, too.
   * @returns the port, for a port of 0
   * @throws XdsError `address-in-use` or `listen-failed`
   */
  async listenForOthers({ host, port, credentials, clients }: FlowAddress): Promise<number> {
    const identify = identifyClient({ clients, may: 'ask for flows', setting: 'flows.clients' });
    return (await this.#serve({ host, port, credentials, identify })) ?? port;
  }

  /** By a server for each address: one that could not listen remembers that, and cannot once it could. */
  async #serve(address: ListenAddress): Promise<number | undefined> {
    const rpc = new RpcServer({ maxRequestBytes: MAX_REQUEST_BYTES });
    rpc.add(OBSERVER_METHODS, new ObserverService(this.#observer, (identity) => rpc.release(identity)));
    try {
      const port = await rpc.listen(address);
      this.#cleanUp.defer(() => rpc.close());
      return port;
    } catch (error) {
      await rpc.close(0);
      throw error;
    }
  }

  /**
   * Tells a collector of OpenTelemetry of all that is to come.
   * @param onFailure told when it goes wrong, once until it goes right again
   * @throws ExportError where the options are wrong
   */
  async exportTo(options: ExportFlowsOptions, onFailure: (message: string) => void): Promise<void> {
    // Most nodes tell no collector, and need not load what it takes.
    const { exportFlows } = await import('./otel/export-flows.ts');
    this.#export = this.#cleanUp.use(exportFlows(this.ring, options, { node: this.#node, onFailure }));
  }

  state(): FlowsState {
    const { size: remembered, capacity, seen } = this.ring;
    const { lost: unexported = 0, ...exported } = this.#export?.state() ?? {};
    return {
      ...(this.#socket !== undefined && { socket: this.#socket }),
      ...{ remembered, capacity, seen },
      lost: { ...this.losses.counts(), export: unexported },
      ...('sent' in exported && { exported }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanUp.disposeAsync();
  }

  #add(event: Parameters<typeof flowOfEvent>[0]): void {
    const flow = flowOfEvent(event, { node: this.#node, directory: this.#directory, deciders: this.#deciders });
    // Of an enforcer of another version.
    if (!flow) throw new Error('what the enforcer tells of a flow cannot be read');
    this.ring.add(flow);
  }

  #addAll(flows: readonly Flow[]): void {
    for (const flow of flows) this.ring.add(flow);
  }

  /** What goes wrong with one flow takes no other with it, and nobody who serves this node. */
  #guard(take: () => void): void {
    try {
      take();
    } catch (error) {
      this.#lose(error);
    }
  }

  #lose(error: unknown): void {
    this.losses.add('agent', 1n);
    this.#failures.note(error);
  }
}
