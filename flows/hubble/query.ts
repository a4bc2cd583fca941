import { type FlowFilter, FlowFilterSchema } from '@sluice/envoy-protos/hubble/flow_pb.js';
import type { GetFlowsRequest } from '@sluice/envoy-protos/hubble/observer_pb.js';
import { estimateProgramSize } from '../../regex/index.ts';
import { flowFilter, type MatchesFlow } from '../filters/flow-filter.ts';
import { estimatePatternSize } from '../filters/name-patterns.ts';
import type { FlowQuery } from '../flow-query.ts';
import { allOrProblem, OptionProblem } from '../option-problem.ts';
import { nanosecondsOf } from '../time.ts';

/** What one request may ask by, so that looking at a flow takes no long time. `sluice observe` doubles its filters for what may be of either side. */
const MOST = {
  filters: 128,
  values: 2_048,
  /** Of a selector, a pattern, or any other text. */
  characters: 1_024,
  /** Of all regular expressions and patterns of names together, as they are compiled. */
  instructions: 10_000,
};

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
  const long = longIn(filters);
  if (long) return long;
  const lists = filters.flatMap((filter) => Object.values(filter)).filter((value) => Array.isArray(value));
  const expressions = filters.flatMap(({ httpPath, httpUrl, dnsQuery }) => [...httpPath, ...httpUrl, ...dnsQuery]);
  const names = filters.flatMap(({ sourceFqdn, destinationFqdn, nodeName }) => [...sourceFqdn, ...destinationFqdn, ...nodeName]);
  const asked = {
    filters: filters.length,
    values: sumOf(lists.map((list) => list.length)),
    instructions: sumOf(expressions.map(estimateProgramSize)) + sumOf(names.map(estimatePatternSize)),
  };
  for (const what of ['filters', 'values', 'instructions'] as const) {
    if (asked[what] > MOST[what])
      return new OptionProblem(`${asked[what]} ${WORDS[what]} are more than the ${MOST[what]} that one may ask by`);
  }
  return undefined;
}

const WORDS = {
  filters: 'filters',
  values: 'values in filters',
  instructions: 'instructions of regular expressions and patterns of names',
};

function longIn(filters: readonly FlowFilter[]): OptionProblem | undefined {
  for (const filter of filters) {
    for (const { localName, name } of FlowFilterSchema.fields) {
      const values: unknown = filter[localName as keyof FlowFilter];
      const long = Array.isArray(values) ? values.find((value) => typeof value === 'string' && value.length > MOST.characters) : undefined;
      if (long !== undefined)
        return new OptionProblem(`a value of ${name} has ${long.length} characters, more than the ${MOST.characters} that one may ask by`);
    }
  }
  return undefined;
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
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
