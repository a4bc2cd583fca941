import type { StoppedBy } from './stop-envoy.ts';

export type ReplaceReason =
  /** It was started with another bootstrap, other arguments or another binary. */
  | 'configuration-changed'
  /** Its admin interface gives no answer. */
  | 'not-answering'
  /** The Sluice before was killed while it stopped it. */
  | 'draining';

/** What happens to the node's Envoy, as it happens. */
export type EnvoyEvent =
  | { readonly kind: 'started'; readonly pid: number; readonly version: string }
  /** The Envoy that an earlier Sluice started is supervised from now on. */
  | { readonly kind: 'adopted'; readonly pid: number; readonly version: string }
  /** The Envoy that an earlier Sluice started is stopped, so that another can be started. */
  | { readonly kind: 'replacing'; readonly pid: number; readonly reason: ReplaceReason }
  /** It serves the first complete configuration. */
  | { readonly kind: 'ready'; readonly pid: number }
  | {
      readonly kind: 'exited';
      readonly pid: number;
      /** Both undefined for an adopted one, of which the system does not tell. */
      readonly code: number | undefined;
      readonly signal: NodeJS.Signals | undefined;
      /** Its last errors, or else its last words; oldest first. */
      readonly lines: readonly string[];
    }
  /** Follows `exited` and `start-failed`. */
  | { readonly kind: 'restarting'; readonly inMs: number }
  | { readonly kind: 'start-failed'; readonly message: string }
  | { readonly kind: 'stopping'; readonly pid: number; readonly drainMs: number }
  /** `by`: what it took; undefined if it cannot be ended at all. */
  | { readonly kind: 'stopped'; readonly pid: number; readonly by: StoppedBy | undefined };
