import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Outcome } from '../../xds-server/serve/outcome.ts';
import type { Resource } from '../../xds-server/serve/resource.ts';
import { resourceTypeOf } from '../render.ts';
import { MetricsText } from './metrics-text.ts';
import { POLICY_STATUSES, type SlotStatus, type Status } from './status.ts';
import type { AdminView } from './view.ts';

/** What a batch of changes goes through before Envoy sees it. */
export type Stage = 'read' | 'ingest' | 'translate' | 'publish';
/** Whom what changes come to is for: Envoys, or those that enforce policies. */
export type ChangesFor = 'envoys' | 'enforcers';

const STAGE_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const PROPAGATION_BUCKETS = [0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * What Sluice measures of itself, in the text format of Prometheus. Sizes are read when they are asked for; events are
 * counted as they are reported here.
 */
export class Metrics {
  /** Where others put what they measure. */
  readonly registry = new Registry();
  readonly #text = new MetricsText(this.registry);
  readonly #stages: Histogram<'for' | 'stage'>;
  readonly #propagation: Histogram<'for'>;
  readonly #unanswered = new Map<ChangesFor, () => number>();
  readonly #otherServed: (() => Iterable<Resource>)[] = [];
  readonly #acks: Counter<'type'>;
  readonly #nacks: Counter<'type'>;

  constructor(view: Pick<AdminView, 'status' | 'resources'>) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#stages = new Histogram({
      name: 'sluice_batch_stage_seconds',
      help: 'Time that a stage took for one batch of changes',
      labelNames: ['for', 'stage'],
      buckets: STAGE_BUCKETS,
      registers,
    });
    this.#propagation = new Histogram({
      name: 'sluice_propagation_seconds',
      help: 'Time from seeing a change to the acknowledgement of all that it led to by every node',
      labelNames: ['for'],
      buckets: PROPAGATION_BUCKETS,
      registers,
    });
    this.#acks = new Counter({ name: 'sluice_xds_acks_total', help: 'Responses that clients accepted', labelNames: ['type'], registers });
    this.#nacks = new Counter({ name: 'sluice_xds_nacks_total', help: 'Responses that clients rejected', labelNames: ['type'], registers });
    const unanswered = new Gauge({
      name: 'sluice_unacknowledged_seconds',
      help: 'Since when the oldest change was seen that a connected node has yet to acknowledge',
      labelNames: ['for'],
      registers,
    });
    const setSizes = registerSizes(this.registry);
    const read = () => {
      const others = this.#otherServed.flatMap((resources) => [...resources()]);
      setSizes(view.status(), view.resources(), others);
      for (const [changesFor, age] of this.#unanswered) unanswered.set({ for: changesFor }, age() / 1000);
      return '';
    };
    this.#text.add({ name: 'status', read });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  stage(changesFor: ChangesFor, stage: Stage, milliseconds: number): void {
    this.#stages.observe({ for: changesFor, stage }, milliseconds / 1000);
  }

  propagated(changesFor: ChangesFor, milliseconds: number): void {
    this.#propagation.observe({ for: changesFor }, milliseconds / 1000);
  }

  /** @param age of the oldest change that somebody has yet to acknowledge, in milliseconds; 0 where there is none. It is asked whenever someone reads */
  watchUnanswered(changesFor: ChangesFor, age: () => number): void {
    this.#unanswered.set(changesFor, age);
  }

  /** What is served beside what the view has. */
  alsoServes(resources: () => Iterable<Resource>): void {
    this.#otherServed.push(resources);
  }

  /** @param read how many spans of changes a collector has taken, and how many it never will; asked whenever someone reads */
  watchChangeSpans(read: () => { readonly sent: number; readonly lost: number }): void {
    const counter = (name: string, help: string, count: () => number) => {
      const collect = function (this: Counter) {
        this.reset();
        this.inc(count());
      };
      return new Counter({ name, help, registers: [this.registry], collect });
    };
    counter('sluice_change_spans_exported_total', 'Spans of changes that a collector has taken', () => read().sent);
    counter('sluice_change_spans_lost_total', 'Spans of changes that a collector was not told of, or has refused', () => read().lost);
  }

  noteOutcome({ outcome, typeUrl }: Pick<Outcome, 'outcome' | 'typeUrl'>): void {
    const type = resourceTypeOf(typeUrl);
    if (outcome === 'ack') {
      this.#acks.inc({ type });
      // There from the first on, so that what comes of it shows as an increase.
      this.#nacks.inc({ type }, 0);
    } else if (outcome === 'nack') this.#nacks.inc({ type });
  }

  /**
   * Adds what another program measures, in the text format, whose names nobody else has. It is read whenever someone asks.
   * @param name by which it is counted that it failed; the rest is then told without
   */
  include(name: string, read: () => Promise<string>): void {
    this.#text.add({ name, read });
  }

  async render(): Promise<string> {
    return await this.#text.read();
  }
}

/** Makes the metrics of what there is, and returns how to set them. */
function registerSizes(registry: Registry): (status: Status, served: Iterable<Resource>, others: readonly Resource[]) => void {
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const labelled = (name: string, help: string, label: string) => {
    const metric = new Gauge({ name, help, labelNames: [label], registers });
    return (counts: Readonly<Record<string, number>>) => {
      metric.reset();
      for (const [value, count] of Object.entries(counts)) metric.set({ [label]: value }, count);
    };
  };
  const ready = gauge('sluice_ready', '1 while what was read first is served');
  const clients = gauge('sluice_xds_clients', 'Clients that are connected');
  const rejected = gauge('sluice_rejected_resources', 'Resources whose newest version Envoy rejected');
  const objects = labelled('sluice_objects', 'Kubernetes objects that are read', 'kind');
  const resources = labelled('sluice_snapshot_resources', 'Resources that are served', 'type');
  const setNode = registerNodeSizes(registry);
  const setFlows = registerFlows(registry);
  const findings = labelled('sluice_findings', 'What is wrong with objects at present', 'severity');
  const bytes = labelled('sluice_snapshot_bytes', 'How long they are together', 'type');
  const lengthOf = ({ body }: Resource) => body.length;
  return (status, served, others) => {
    bytes({ ...sumByType(served, lengthOf), ...sumByType(others, lengthOf) });
    ready.set(Number(status.ready));
    clients.set(status.clients.length);
    rejected.set(status.rejected.length);
    objects(status.objects);
    resources({ ...status.resources, ...sumByType(others, () => 1) });
    findings(status.findings);
    setNode(status);
    setFlows(status);
  };
}

function sumByType(resources: Iterable<Resource>, numberOf: (resource: Resource) => number): Record<string, number> {
  const sums = new Map<string, number>();
  for (const resource of resources) sums.set(resource.typeUrl, (sums.get(resource.typeUrl) ?? 0) + numberOf(resource));
  return Object.fromEntries([...sums].map(([typeUrl, sum]) => [resourceTypeOf(typeUrl), sum]));
}

/** Makes the metrics of what a node has for policies, of which each has only where it says something of it. */
function registerNodeSizes(registry: Registry): (status: Status) => void {
  const registers = [registry];
  const slots = new Gauge({ name: 'sluice_slots', help: 'Slots of rules of layer 7 that a node needs', labelNames: ['state'], registers });
  const items = new Gauge({
    name: 'sluice_steering_items',
    help: "What of a node's network steers packets to Envoy",
    labelNames: ['state'],
    registers,
  });
  const failing = new Gauge({ name: 'sluice_steering_failing', help: '1 while packets cannot be steered to Envoy', registers });
  const restored = new Counter({
    name: 'sluice_steering_restored_total',
    help: 'How often something of that was put right that somebody else had changed',
    registers,
  });
  const policed = new Gauge({
    name: 'cilium_policy_endpoint_enforcement_status',
    help: 'Pods by what policies hold for them',
    labelNames: ['enforcement'],
    registers,
  });
  const labelNames = ['direction', 'outcome'] as const;
  const packets = new Counter({ name: 'sluice_packets_total', help: 'What became of packets of pods', labelNames, registers });
  const bytes = new Counter({ name: 'sluice_packet_bytes_total', help: 'What became of bytes of pods', labelNames, registers });
  return ({ slots: ofNode, enforcement }) => {
    for (const metric of [slots, items, packets, bytes, policed]) metric.reset();
    if (enforcement) for (const state of POLICY_STATUSES) policed.set({ enforcement: state }, 0);
    for (const { policy } of enforcement?.endpoints ?? []) if (policy) policed.inc({ enforcement: policy });
    for (const state of ofNode ? (['ready', 'waiting', 'refused'] as const) : []) {
      slots.set({ state }, ofNode?.filter((slot) => slotState(slot) === state).length ?? 0);
    }
    const { steering, packets: counted = [] } = enforcement ?? {};
    failing.set(Number(steering?.failure !== undefined));
    restored.reset();
    restored.inc(steering?.restored ?? 0);
    if (steering) {
      items.set({ state: 'right' }, steering.items - steering.wrong.length);
      items.set({ state: 'wrong' }, steering.wrong.length);
    }
    for (const { direction, outcome, ...counts } of counted) {
      packets.inc({ direction, outcome }, counts.packets);
      bytes.inc({ direction, outcome }, counts.bytes);
    }
  };
}

/** Those of flows; nothing where none are remembered. */
function registerFlows(registry: Registry): (status: Status) => void {
  const registers = [registry];
  const seen = new Counter({ name: 'sluice_flows_total', help: 'Flows that this node was told of', registers });
  const lost = new Counter({
    name: 'sluice_flows_lost_total',
    help: 'Flows that somebody was not told of, by where they were lost',
    labelNames: ['where'],
    registers,
  });
  const exported = new Counter({ name: 'sluice_flows_exported_total', help: 'Flows that a collector has taken', registers });
  const failing = new Gauge({ name: 'sluice_flow_export_failing', help: '1 while a collector does not take what it is told', registers });
  const remembered = new Gauge({ name: 'sluice_flows_remembered', help: 'Flows that can be asked for', registers });
  return ({ flows }) => {
    for (const metric of [seen, lost, exported]) metric.reset();
    if (!flows) return;
    seen.inc(flows.seen);
    remembered.set(flows.remembered);
    failing.set(Number(flows.exported?.failure !== undefined));
    if (flows.exported) exported.inc(flows.exported.sent);
    for (const [where, count] of Object.entries(flows.lost)) lost.inc({ where }, count);
  };
}

function slotState({ ready, refusal }: SlotStatus): 'ready' | 'waiting' | 'refused' {
  if (refusal !== undefined) return 'refused';
  return ready ? 'ready' : 'waiting';
}
