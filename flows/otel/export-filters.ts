import { fromJsonString } from '@bufbuild/protobuf';
import { type FlowFilter, FlowFilterSchema } from '@sluice/envoy-protos/hubble/flow_pb.js';
import { flowFilter, type MatchesFlow } from '../filters/flow-filter.ts';
import { OptionProblem } from '../option-problem.ts';

/** What is told of: filters of Hubble as JSON. A flow is if any of `allow` matches it, or there is none, and none of `deny` does. */
export interface ExportFilters {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

/** Either what matches or what is wrong, with the field that it stands in. */
export type ReadFilters = { readonly matches: MatchesFlow } | { readonly field: string; readonly problem: string };

export function readExportFilters({ allow, deny }: ExportFilters): ReadFilters {
  const [wanted, unwanted] = [readAll('allow', allow), readAll('deny', deny)];
  if ('problem' in wanted) return wanted;
  if ('problem' in unwanted) return unwanted;
  const isWanted: MatchesFlow = (flow) => wanted.all.length === 0 || wanted.all.some((matches) => matches(flow));
  return { matches: (flow) => isWanted(flow) && !unwanted.all.some((matches) => matches(flow)) };
}

function readAll(name: string, texts: readonly string[]): { readonly all: readonly MatchesFlow[] } | { field: string; problem: string } {
  const all: MatchesFlow[] = [];
  for (const [index, text] of texts.entries()) {
    const read = readFilter(text);
    if (typeof read === 'string') return { field: `${name}[${index}]`, problem: read };
    all.push(read);
  }
  return { all };
}

/** @returns what is wrong, in words, where it is no filter */
function readFilter(text: string): MatchesFlow | string {
  let filter: FlowFilter;
  try {
    filter = fromJsonString(FlowFilterSchema, text);
  } catch (error) {
    return `is no filter of Hubble: ${error instanceof Error ? error.message : String(error)}`;
  }
  const made = flowFilter(filter);
  return made instanceof OptionProblem ? made.message : made;
}
