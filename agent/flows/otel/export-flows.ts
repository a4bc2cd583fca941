import { type FlowRing, RelatedTraces, readExportFilters, type ToldFlow, toldFlow } from '../../../flows/index.ts';
import type { Collector } from '../../../model/index.ts';
import {
  type ExportState,
  logOf,
  logSender,
  type OtlpResource,
  type OtlpSender,
  RingExport,
  resourceOf,
  type SenderOptions,
  spanOf,
  spanSender,
} from '../../../otlp/index.ts';
import { ExportError } from './export-error.ts';

export interface ExportFlowsOptions {
  readonly as: 'logs' | 'spans';
  readonly collector: Collector;
  /** Filters of Hubble as JSON. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly compression: NonNullable<SenderOptions['compression']>;
  readonly resourceAttributes?: Readonly<Record<string, string>> | undefined;
}

export interface RunningExport extends AsyncDisposable {
  state(): ExportState;
}

/**
 * Begins to tell a collector of the flows of a node.
 * @throws ExportError where it cannot
 */
export function exportFlows(
  ring: FlowRing,
  { as, collector, allow, deny, compression, resourceAttributes }: ExportFlowsOptions,
  { node, onFailure }: { readonly node: string; readonly onFailure: (message: string) => void },
): RunningExport {
  const filters = readExportFilters({ allow, deny });
  if ('problem' in filters) throw new ExportError(`flows.export.${filters.field}`, filters.problem);
  const { matches } = filters;
  const resource = resourceOf({ 'service.name': 'sluice-flows', 'k8s.node.name': node, ...resourceAttributes });
  const traces = new RelatedTraces();
  const told = { ...collector, compression };
  const begin = <T>({ send, close }: OtlpSender<T>, encode: (flow: ToldFlow, resource: OtlpResource) => T): RunningExport => {
    const flows = new RingExport({ ring, matches, onFailure, send, encode: (flow) => encode(toldFlow(flow, traces), resource) });
    return {
      state: () => flows.state(),
      [Symbol.asyncDispose]: async () => {
        await flows[Symbol.asyncDispose]();
        close();
      },
    };
  };
  try {
    return as === 'spans' ? begin(spanSender(told), spanOf) : begin(logSender(told), logOf);
  } catch (error) {
    throw new ExportError('flows.export.collector', error instanceof Error ? error.message : String(error));
  }
}
