import type { Metrics } from '../../controller/admin/metrics.ts';
import { FlowRing } from '../../flows/index.ts';
import type { Settings } from '../../settings/index.ts';
import type { XdsServer } from '../../xds-server/serve/index.ts';
import { CliError } from '../cli-error.ts';
import type { Log } from '../log.ts';
import type { ChangeListeners } from './change-listener.ts';
import { type ChangeSpan, ChangeTraces } from './change-traces.ts';

/** What serves nodes of what changes come to. */
export interface Traced {
  readonly server: Pick<XdsServer, 'listening'>;
  readonly changes: Pick<ChangeListeners, 'add'>;
}

export interface TracingOptions {
  readonly settings: Settings['tracing'];
  /** Where it is counted what the collector has taken. */
  readonly metrics: Pick<Metrics, 'watchChangeSpans'>;
  readonly log: Log;
}

/** What waits for the collector at most. */
const CAPACITY = 4_096;

/**
 * Has a collector told what becomes of changes, if settings say so. To be called before there are any.
 * @throws CliError where it cannot be
 */
export async function traceChanges(
  all: readonly Traced[],
  { settings: { changes, collector, resourceAttributes }, metrics, log }: TracingOptions,
): Promise<AsyncDisposable | undefined> {
  if (!changes) return undefined;
  const { RingExport, resourceOf, spanOf, spanSender } = await import('../../otlp/index.ts');
  const ring = new FlowRing<ChangeSpan>(CAPACITY);
  const resource = resourceOf({ 'service.name': 'sluice', ...resourceAttributes });
  const { send, close } = senderOf(() => spanSender(collector));
  const sending = new RingExport({
    ring,
    matches: () => true,
    encode: (span) => spanOf({ ...span, kind: 'internal', isRefused: false, attributes: { ...span.attributes } }, resource),
    send,
    onFailure: (message) =>
      log({ level: 'warn', event: 'tracing', text: `the collector at ${collector.endpoint} takes no spans: ${message}` }),
  });
  metrics.watchChangeSpans(() => sending.state());
  for (const traced of all) {
    const traces = new ChangeTraces(
      (span) => ring.add(span),
      () => traced.server.listening(),
    );
    traced.changes.add(traces);
  }
  return {
    [Symbol.asyncDispose]: async () => {
      await sending[Symbol.asyncDispose]();
      close();
    },
  };
}

function senderOf<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new CliError('failed', `tracing.collector: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
