import type { FlowFilter } from '@sluice/envoy-protos/hubble/flow_pb.js';
import type { GetFlowsRequest } from '@sluice/envoy-protos/hubble/observer_pb.js';
import { flowFilter, type MatchesFlow } from '../filters/flow-filter.ts';
import type { FlowQuery } from '../flow-query.ts';
import { allOrProblem, OptionProblem } from '../option-problem.ts';
import { nanosecondsOf } from '../time.ts';

/** What one request may ask for, so that looking at a flow takes no long time. */
const MAX_FILTERS = 64;
const MAX_VALUES = 256;

/** What a client of Hubble asks for. */
export function readQuery({ number, first, follow, since, until, whitelist, blacklist }: GetFlowsRequest): FlowQuery | OptionProblem {
  if (first && follow) return new OptionProblem('the first flows cannot be followed');
  const excess = excessOf([...whitelist, ...blacklist]);
  if (excess) return excess;
  const [wanted, unwanted] = [allOrProblem(whitelist.map(flowFilter)), allOrProblem(blacklist.map(flowFilter))];
  if (wanted instanceof OptionProblem) return wanted;
  if (unwanted instanceof OptionProblem) return unwanted;
  const isWanted: MatchesFlow = (flow) => wanted.length === 0 || wanted.some((matches) => matches(flow));
  return {
    ...limits({ number: Number(number), first, follow, hasSince: since !== undefined }),
    follow,
    ...(since && { since: nanosecondsOf(since) }),
    ...(until && { until: nanosecondsOf(until) }),
    matches: (flow) => isWanted(flow) && !unwanted.some((matches) => matches(flow)),
  };
}

function excessOf(filters: readonly FlowFilter[]): OptionProblem | undefined {
  if (filters.length > MAX_FILTERS)
    return new OptionProblem(`${filters.length} filters are more than the ${MAX_FILTERS} that one may ask by`);
  const values = filters
    .flatMap((filter) => Object.values(filter))
    .reduce((sum, value) => sum + (Array.isArray(value) ? value.length : 0), 0);
  return values > MAX_VALUES ? new OptionProblem(`${values} values are more than the ${MAX_VALUES} that one may ask by`) : undefined;
}

interface Asked {
  readonly number: number;
  readonly first: boolean;
  readonly follow: boolean;
  readonly hasSince: boolean;
}

/** Where there is a time to begin at, numbers count from it; who follows without one hears of what is to come. */
function limits({ number, first, follow, hasSince }: Asked): Pick<FlowQuery, 'number' | 'first'> {
  if (number > 0 && !(follow && hasSince)) return { number, first: first || hasSince };
  return follow && !hasSince ? { number: 0 } : {};
}
