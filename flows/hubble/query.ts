import type { GetFlowsRequest } from '@sluice/envoy-protos/hubble/observer_pb.js';
import { flowFilter, type MatchesFlow } from '../filters/flow-filter.ts';
import { allOrProblem, FilterProblem } from '../filters/problem.ts';
import type { FlowQuery } from '../flow-query.ts';
import { timeOf } from './flow-message.ts';

/** What a client of Hubble asks for. */
export function readQuery({ number, first, follow, since, until, whitelist, blacklist }: GetFlowsRequest): FlowQuery | FilterProblem {
  if (first && follow) return new FilterProblem('the first flows cannot be followed');
  const [wanted, unwanted] = [allOrProblem(whitelist.map(flowFilter)), allOrProblem(blacklist.map(flowFilter))];
  if (wanted instanceof FilterProblem) return wanted;
  if (unwanted instanceof FilterProblem) return unwanted;
  const isWanted: MatchesFlow = (flow) => wanted.length === 0 || wanted.some((matches) => matches(flow));
  return {
    ...(number > 0n && { number: Number(number) }),
    first,
    follow,
    ...(since && { since: timeOf(since) }),
    ...(until && { until: timeOf(until) }),
    matches: (flow) => isWanted(flow) && !unwanted.some((matches) => matches(flow)),
  };
}
