import type { Status } from '../../controller/admin/status.ts';
import type { Diagnostic } from '../../model/index.ts';

/** A pod of Sluice and what it says of itself. */
export interface AskedPod {
  readonly pod: string;
  /** Where it runs; empty while it is not scheduled. */
  readonly node: string;
  readonly status: Status | undefined;
  /** Why it says nothing. */
  readonly silence: string | undefined;
}

export interface AskedCluster {
  readonly controllers: readonly AskedPod[];
  readonly agents: readonly AskedPod[];
  readonly enforcers: readonly AskedPod[];
  /** How many nodes are to have an agent; undefined where nothing is installed. */
  readonly wantedAgents: number | undefined;
  /** How many nodes are to have an enforcer; undefined where none is installed. */
  readonly wantedEnforcers: number | undefined;
  /** On how many nodes Envoy is to serve, and does; undefined where nothing is installed. */
  readonly envoys: { readonly wanted: number; readonly ready: number } | undefined;
  /** How many pods are in the network of each node, where there are enforcers; undefined where pods may not be listed. */
  readonly hostNetwork: ReadonlyMap<string, number> | undefined;
  /** What a controller finds wrong. */
  readonly diagnostics: readonly Diagnostic[];
}
