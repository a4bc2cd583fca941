import { DropReason, IPVersion, Verdict } from '@sluice/envoy-protos/hubble/flow_pb.js';
import { Counter, type Registry } from 'prom-client';
import { IP_PROTOCOLS } from '../../model/index.ts';
import type { Flow, FlowKind, FlowLayer7 } from '../flow.ts';
import { knownMethod } from '../http-methods.ts';
import { icmpTypeName } from '../hubble/icmp-types.ts';
import { dropReasonOf, ipVersionOf, protocolName, responseCodeName, VERDICTS } from '../hubble/names.ts';
import { OptionProblem } from '../option-problem.ts';
import { BoundedMetrics } from './bounded-metrics.ts';
import { type Context, type ContextOptions, readContext } from './context.ts';
import { policyVerdictOf } from './policy-verdict.ts';

/** Which of Hubble's metrics are kept, and by whom their series are told apart. */
export interface MetricOptions extends ContextOptions {
  /** One of {@link METRIC_NAMES}. */
  readonly name: string;
}

export interface FlowMetricsOptions {
  readonly registry: Registry;
  readonly metrics: readonly MetricOptions[];
  /** Series of one metric. Beyond these, who a flow is of counts as `other`, until one of them is of no use any more. Default 10 000. */
  readonly maxSeries?: number;
  /** How long a series has to be of no use before another may have its place, in milliseconds. Default one hour. */
  readonly idleMs?: number;
  /** Milliseconds of any clock that nobody sets. */
  readonly now?: () => number;
}

/** A series that nothing was counted of for an hour is that of somebody who is gone. */
const IDLE_MS = 3_600_000;

type Observe = (flow: Flow) => void;
type Make = (context: Context, make: BoundedMetrics) => Observe;

const EVENTS: Readonly<Record<FlowKind, readonly [type: string, subtype: string]>> = {
  exchange: ['L7', ''],
  'packet-dropped': ['Drop', ''],
  'packet-audited': ['PolicyVerdict', ''],
  'connection-begun': ['PolicyVerdict', ''],
  'connection-ended': ['Trace', 'to-endpoint'],
};

const LAYER_7: Readonly<Record<FlowLayer7['kind'], string>> = { http: 'HTTP', dns: 'DNS', kafka: 'Kafka' };

function protocolOf({ kind, l7, protocol }: Flow): string {
  if (kind === 'exchange') return l7 ? LAYER_7[l7.kind] : 'Unknown L7';
  return protocolName(protocol) ?? 'Unknown L4';
}

function verdictOf({ verdict }: Flow): string {
  return Verdict[VERDICTS[verdict]];
}

function familyOf({ source }: Flow): string {
  return ipVersionOf(source.address) === IPVersion.IPv6 ? 'IPv6' : 'IPv4';
}

const isFirst = ({ kind, verdict }: Flow) => kind === 'connection-begun' && (verdict === 'forwarded' || verdict === 'redirected');

function flowsProcessed(context: Context, make: BoundedMetrics): Observe {
  const count = make.counter('hubble_flows_processed_total', 'Flows that were seen', ['protocol', 'type', 'subtype', 'verdict']);
  return (flow) => {
    const [type, subtype] = EVENTS[flow.kind];
    count([protocolOf(flow), type, flow.l7 ? LAYER_7[flow.l7.kind] : subtype, verdictOf(flow)], context.valuesOf(flow));
  };
}

function drops(context: Context, make: BoundedMetrics): Observe {
  const count = make.counter('hubble_drop_total', 'What was dropped', ['reason', 'protocol']);
  return (flow) => {
    if (flow.verdict !== 'dropped') return;
    count([DropReason[dropReasonOf(flow)], protocolOf(flow)], context.valuesOf(flow));
  };
}

function dns(context: Context, make: BoundedMetrics): Observe {
  const labels = ['rcode', 'qtypes', 'ips_returned'];
  const queries = make.counter('hubble_dns_queries_total', 'Questions for names', labels);
  const responses = make.counter('hubble_dns_responses_total', 'Answers to questions for names', labels);
  return (flow) => {
    if (flow.l7?.kind !== 'dns') return;
    const { queryTypes, addresses, code } = flow.l7;
    const rest = [queryTypes.join(','), String(addresses.length)];
    if (flow.verdict === 'dropped') queries(['Policy denied', ...rest], context.valuesOf(flow));
    else if (flow.isReply) responses([responseCodeName(code), ...rest], context.valuesOf(flow));
    else queries(['', ...rest], context.valuesOf(flow));
  };
}

function http(context: Context, make: BoundedMetrics): Observe {
  const requests = make.counter('hubble_http_requests_total', 'Requests that were answered', ['method', 'protocol', 'status', 'reporter']);
  const durations = make.histogram('hubble_http_request_duration_seconds', 'How long requests took', ['method', 'reporter']);
  return (flow) => {
    if (flow.l7?.kind !== 'http' || flow.l7.type !== 'response') return;
    const { protocol, code = 0, latency = 0n } = flow.l7;
    const method = knownMethod(flow.l7.method);
    const reporter = flow.direction === undefined ? 'unknown' : { egress: 'client', ingress: 'server' }[flow.direction];
    const values = context.valuesOf(flow, true);
    requests([method, protocol, String(code), reporter], values);
    durations([method, reporter], values, Number(latency) / 1e9);
  };
}

function policyVerdicts(context: Context, make: BoundedMetrics): Observe {
  const count = make.counter('hubble_policy_verdicts_total', 'What policies decided', ['direction', 'match', 'action']);
  return (flow) => {
    const verdict = policyVerdictOf(flow);
    if (verdict) count([verdict.direction, verdict.match, verdictOf(flow).toLowerCase()], context.valuesOf(flow));
  };
}

function tcpFlags(context: Context, make: BoundedMetrics): Observe {
  const count = make.counter('hubble_tcp_flags_total', 'Flags of TCP that connections began with', ['flag', 'family']);
  return (flow) => {
    if (flow.protocol === IP_PROTOCOLS.TCP && isFirst(flow)) count(['SYN', familyOf(flow)], context.valuesOf(flow));
  };
}

function portDistribution(context: Context, make: BoundedMetrics): Observe {
  const count = make.counter('hubble_port_distribution_total', 'Connections by the port that was asked for', ['protocol', 'port']);
  return (flow) => {
    if (isFirst(flow) && protocolName(flow.protocol) !== undefined)
      count([protocolOf(flow), String(flow.destinationPort)], context.valuesOf(flow));
  };
}

function icmp(context: Context, make: BoundedMetrics): Observe {
  const count = make.counter('hubble_icmp_total', 'Messages of ICMP', ['family', 'type']);
  return (flow) => {
    const type = icmpTypeName(flow);
    if (type !== undefined && flow.kind !== 'connection-ended') count([familyOf(flow), type], context.valuesOf(flow));
  };
}

const METRICS: Readonly<Record<string, Make>> = {
  flow: flowsProcessed,
  drop: drops,
  dns,
  httpV2: http,
  policy: policyVerdicts,
  tcp: tcpFlags,
  'port-distribution': portDistribution,
  icmp,
};

export const METRIC_NAMES: readonly string[] = Object.keys(METRICS);

/** Hubble's metrics of flows. @see https://docs.cilium.io/en/stable/observability/metrics/#hubble-exported-metrics */
export class FlowMetrics {
  readonly #all: readonly Observe[];

  private constructor(all: readonly Observe[]) {
    this.#all = all;
  }

  /** @returns what is wrong with the options, where something is */
  static of({
    registry,
    metrics,
    maxSeries = 10_000,
    idleMs = IDLE_MS,
    now = () => performance.now(),
  }: FlowMetricsOptions): FlowMetrics | OptionProblem {
    const all: Observe[] = [];
    const overflow = new Counter({
      name: 'sluice_flow_metrics_overflow_total',
      help: 'Flows that were counted as of others, since a metric has as many series as it may',
      labelNames: ['metric'] as const,
      registers: [registry],
    });
    for (const { name, ...options } of metrics) {
      const make = Object.hasOwn(METRICS, name) ? METRICS[name] : undefined;
      if (!make) return new OptionProblem(`${JSON.stringify(name)} is none of the metrics ${METRIC_NAMES.join(', ')}`);
      const context = readContext(options);
      if (context instanceof OptionProblem) return context;
      all.push(make(context, new BoundedMetrics({ registry, context, maxSeries, overflow, idleMs, now })));
    }
    return new FlowMetrics(all);
  }

  observe(flow: Flow): void {
    for (const observe of this.#all) observe(flow);
  }
}
