import type { Collection } from '../../collection/index.ts';
import type { Diagnostic } from '../../model/index.ts';
import type { Resource } from '../../xds-server/serve/resource.ts';
import type { ConfigStatus, Status } from './status.ts';

/** What the admin endpoint may look at. Nothing in it changes anything. */
export interface AdminView {
  status(): Status;
  /** What its configs are told, beside that: it may be long. */
  configs?(): readonly ConfigStatus[];
  /** Sorted. */
  diagnostics(): readonly Diagnostic[];
  /** The parts of the model by name. What is secret in them is `Redacted`. */
  model(): Readonly<Record<string, Collection<unknown>>>;
  /** What is served at present. */
  resources(): Iterable<Resource>;
}
