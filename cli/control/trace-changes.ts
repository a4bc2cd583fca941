import { FlowRing } from '../../flows/index.ts';
import type { Settings } from '../../settings/index.ts';
import type { XdsServer } from '../../xds-server/serve/index.ts';
import { CliError } from '../cli-error.ts';
import type { Log } from '../log.ts';
import { type ChangeSpan, ChangeTraces } from './change-traces.ts';

/** What serves nodes of what changes come to. */
export interface Traced {
  readonly server: Pick<XdsServer, 'clients'>;
  /** Told of changes, where that is wanted. */
  traces: ChangeTraces | undefined;
}

/** What waits for the collector at most. */
const CAPACITY = 4_096;

/**
 * Has a collector told what becomes of changes, if settings say so. To be called before there are any.
 * @throws CliError where it cannot be
 */
export async function traceChanges(
  all: readonly Traced[],
  { changes, collector, resourceAttributes }: Settings['tracing'],
  log: Log,
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
  for (const traced of all) {
    traced.traces = new ChangeTraces(
      (span) => ring.add(span),
      () => traced.server.clients().flatMap(({ nodeId, role }) => (role === 'standby' ? [] : [nodeId])),
    );
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
