/** How a relay stands, for people and probes. */
export interface RelayState {
  /** Undefined while there is no controller that answers. */
  readonly controller: { readonly peer: string; readonly since: Date } | undefined;
  /** Whether the controller is told that what it sends is in force; not while Envoy is away or not up to date yet. */
  readonly standby: boolean;
  /** Whether there is an Envoy. */
  readonly client: boolean;
  readonly lastResponse: Date | undefined;
  /** Responses that Envoy is yet to answer. */
  readonly pending: readonly { readonly typeUrl: string; readonly names: readonly string[]; readonly since: Date }[];
  /** Resources by type URL. */
  readonly cached: ReadonlyMap<string, number>;
  /** Whether what Envoy accepts cannot be written down at the moment. */
  readonly storeFailing: boolean;
  /** Why there is no controller, or was none the last time. */
  readonly lastError: { readonly message: string; readonly at: Date } | undefined;
}
