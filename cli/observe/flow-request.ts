import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { DropReason, type FlowFilterSchema, Verdict } from '@sluice/envoy-protos/hubble/flow_pb.js';
import { type GetFlowsRequest, GetFlowsRequestSchema } from '@sluice/envoy-protos/hubble/observer_pb.js';
import { CliError } from '../cli-error.ts';
import { readTime } from './flow-time.ts';

type Filter = Exclude<MessageInitShape<typeof FlowFilterSchema>, { $typeName: string }>;
type Values = readonly string[];

/** What somebody wants to see of flows. What is absent does not count; of a list, any will do. */
export interface Wanted {
  readonly last?: number;
  readonly first?: number;
  readonly follow?: boolean;
  readonly since?: string;
  readonly until?: string;
  readonly of: readonly PeerWanted[];
  readonly protocol?: Values;
  readonly verdict?: Values;
  readonly type?: Values;
  readonly httpStatus?: Values;
  readonly httpMethod?: Values;
  readonly httpPath?: Values;
  readonly dnsName?: Values;
  readonly dropReason?: Values;
  readonly traceId?: Values;
  /** What of all that is not wanted; each alone is enough. */
  readonly not?: readonly Omit<Wanted, 'not'>[];
}

export type Side = 'from' | 'to' | 'either';
export type PeerField = 'pod' | 'namespace' | 'label' | 'identity' | 'ip' | 'port' | 'service' | 'workload' | 'name';

/** Who sent or received it. */
export interface PeerWanted {
  readonly side: Side;
  readonly field: PeerField;
  readonly values: Values;
}

const SHOWN = 20;

const FIELDS: Readonly<Record<PeerField, (side: 'source' | 'destination', values: Values) => Filter>> = {
  pod: (side, values) => ({ [`${side}Pod`]: [...values] }),
  namespace: (side, values) => ({ [`${side}Pod`]: values.map((namespace) => `${namespace}/`) }),
  label: (side, values) => ({ [`${side}Label`]: [...values] }),
  identity: (side, values) => ({ [`${side}Identity`]: values.map(readIdentity) }),
  ip: (side, values) => ({ [`${side}Ip`]: [...values] }),
  port: (side, values) => ({ [`${side}Port`]: [...values] }),
  service: (side, values) => ({ [`${side}Service`]: [...values] }),
  workload: (side, values) => ({ [`${side}Workload`]: values.map(readWorkload) }),
  name: (side, values) => ({ [`${side}Fqdn`]: [...values] }),
};

/** By what Cilium's monitor calls them. */
const FLOW_TYPES: Readonly<Record<string, number>> = { drop: 1, trace: 4, 'policy-verdict': 5, l7: 129 };

/**
 * What is asked of a node.
 * @param now nanoseconds since 1970
 * @throws CliError `usage`
 */
export function flowRequest(wanted: Wanted, now: bigint): GetFlowsRequest {
  const { last, first, follow = false, since, until } = wanted;
  if (last !== undefined && first !== undefined) throw new CliError('usage', '--last and --first cannot both be wanted');
  if (first !== undefined && follow) throw new CliError('usage', '--first cannot be followed');
  const number = first ?? last ?? (since === undefined && !follow ? SHOWN : 0);
  return create(GetFlowsRequestSchema, {
    number: BigInt(number),
    first: first !== undefined,
    follow,
    ...(since !== undefined && { since: timestamp(readTime('since', since, now)) }),
    ...(until !== undefined && { until: timestamp(readTime('until', until, now)) }),
    whitelist: filtersOf(wanted),
    blacklist: (wanted.not ?? []).flatMap(filtersOf),
  });
}

function timestamp(time: bigint): { seconds: bigint; nanos: number } {
  return { seconds: time / 1_000_000_000n, nanos: Number(time % 1_000_000_000n) };
}

/** All of what is wanted in each; what is to be so of either side doubles them. None: everything. */
function filtersOf(wanted: Wanted): Filter[] {
  const common = commonOf(wanted);
  let filters: Filter[] = [common];
  for (const { side, field, values } of wanted.of) {
    const ofSource = FIELDS[field]('source', values);
    const ofDestination = FIELDS[field]('destination', values);
    const choices = { from: [ofSource], to: [ofDestination], either: [ofSource, ofDestination] }[side];
    filters = filters.flatMap((filter) => choices.map((choice) => both(filter, choice, field, side)));
  }
  return Object.keys(common).length + wanted.of.length === 0 ? [] : filters;
}

/** A field of a filter holds any of its values, so one that is there already cannot be asked for once more. */
function both(filter: Filter, choice: Filter, field: PeerField, side: Side): Filter {
  const twice = Object.keys(choice).some((key) => key in filter);
  if (twice)
    throw new CliError('usage', `--${side === 'either' ? field : `${side}-${field}`} says of one side what another option says, too`);
  return { ...filter, ...choice };
}

function commonOf({ protocol, verdict, type, httpStatus, httpMethod, httpPath, dnsName, dropReason, traceId }: Wanted): Filter {
  return {
    ...(protocol && { protocol: [...protocol] }),
    ...(verdict && { verdict: verdict.map((each) => Verdict[each.toUpperCase() as keyof typeof Verdict]) }),
    ...(type && { eventType: type.map((each) => ({ type: FLOW_TYPES[each] ?? 0 })) }),
    ...(httpStatus && { httpStatusCode: [...httpStatus] }),
    ...(httpMethod && { httpMethod: [...httpMethod] }),
    ...(httpPath && { httpPath: [...httpPath] }),
    ...(dnsName && { dnsQuery: [...dnsName] }),
    ...(dropReason && { dropReasonDesc: dropReason.map((each) => DropReason[each.toUpperCase() as keyof typeof DropReason]) }),
    ...(traceId && { traceId: [...traceId] }),
  };
}

function readIdentity(text: string): number {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number < 2 ** 32)) throw new CliError('usage', `${JSON.stringify(text)} is no identity: sluice identity list shows them`);
  return number;
}

/** `web`, or `Deployment/web`. */
function readWorkload(text: string): { kind: string; name: string } {
  const [first = '', second] = text.split('/');
  return second === undefined ? { kind: '', name: first } : { kind: first, name: second };
}
