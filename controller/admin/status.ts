import { z } from 'zod';

const count = z.int().min(0);

const envoy = z.object({
  pid: z.int().optional(),
  version: z.string(),
  /** Whether it was started by an earlier Sluice. */
  adopted: z.boolean(),
  /** ISO 8601; absent while no Envoy runs. */
  since: z.string().optional(),
});

const client = z.object({
  /** What the client calls itself. */
  node: z.string(),
  /** Whether it has acknowledged everything that it asked for and that is there. */
  synced: z.boolean(),
  /** By type of resource: how many it has acknowledged. */
  resources: z.record(z.string(), count),
});

const rejection = z.object({
  type: z.string(),
  name: z.string(),
  /** Envoy's own words. */
  message: z.string(),
  /** The objects that the resource came from, as `Ingress default/web (web.yaml:12)`. */
  sources: z.array(z.string()),
});

/** What an API server is asked for, of one kind. */
const watchedKind = z.object({
  kind: z.string(),
  /** Whether it was read completely. */
  synced: z.boolean(),
  /** What the last try said, where it failed. */
  error: z.string().optional(),
});

const cluster = z.object({
  namespace: z.string(),
  /** Who writes for all replicas, as the Lease has it; absent while nobody does. */
  leader: z.string().optional(),
  isLeader: z.boolean(),
  /** Nodes that serve no Ingress, by the setting `ingress.nodes`; absent where there are none. */
  idleNodes: z.array(z.string()).optional(),
  kinds: z.array(watchedKind),
  /** What the leader has to write and has not; 0 on the others. */
  pendingWrites: count,
  /** What cannot be written, and why. */
  failingWrites: z.array(z.object({ what: z.string(), reason: z.string() })),
});

const relay = z.object({
  /** The controller that configuration comes from; absent while there is none. */
  controller: z.string().optional(),
  /** ISO 8601: since when there is one, or none. */
  since: z.string(),
  /** What stands in the way; absent while connected. */
  error: z.string().optional(),
  /** Until when this node's certificate is good; ISO 8601. */
  certificateUntil: z.string().optional(),
});

const policyStatus = z.enum(['none', 'ingress', 'egress', 'both', 'audit-ingress', 'audit-egress', 'audit-both']);
export const POLICY_STATUSES: readonly PolicyStatus[] = policyStatus.options;

const enforcement = z.object({
  /** Pods whose packets are judged. */
  endpoints: z.array(
    z.object({
      namespace: z.string(),
      name: z.string(),
      identity: z.int(),
      labels: z.array(z.string()),
      addresses: z.array(z.string()),
      /** The device on the node's side. */
      device: z.string(),
      /** For which directions policies hold for it, or would if they did more than watch. */
      policy: policyStatus.optional(),
      /** Why its packets are not judged after all. */
      open: z.string().optional(),
    }),
  ),
  /** Pods that no device was found for. */
  missing: z.array(z.object({ namespace: z.string(), name: z.string() })),
  /** Devices of pods that nobody has told the addresses of yet, and as whom these are judged. */
  newcomers: z.array(z.object({ device: z.string(), identity: z.int(), addresses: z.array(z.string()) })).optional(),
  /** Devices by which packets come from elsewhere. */
  network: z.array(z.string()),
  /** Absent where Services are left to others, as the settings say. */
  services: z
    .object({
      /** Ports of Services that are to be translated, of each address family. */
      translations: count,
      /** Whether the kernel translates. */
      inForce: z.boolean(),
      /** What went wrong the last time. */
      failure: z.string().optional(),
    })
    .optional(),
  /** What of the node's network steers packets to Envoy; absent where none are to be. */
  steering: z
    .object({
      /** How many things must be there for that. */
      items: count,
      /** Those that are not as they are to be. */
      wrong: z.array(z.object({ name: z.string(), wanted: z.string(), found: z.string().optional() })),
      /** How often something was put right that somebody else had changed. */
      restored: count,
      /** Why nothing can be steered, so that what is to be is dropped, or what cannot be put right. */
      failure: z.string().optional(),
    })
    .optional(),
  /** As whom this node's Ingresses talk to pods, see docs/decisions/ingress-identity.md. */
  ingress: z
    .object({
      addresses: z.array(z.string()),
      /** That has these, `namespace/name`; absent: there is none. */
      pod: z.string().optional(),
      /** Whether Ingresses reach no pod without. */
      required: z.boolean(),
      failure: z.string().optional(),
    })
    .optional(),
  /** What became of packets, since the kernel's tables were made. */
  packets: z.array(z.object({ direction: z.enum(['ingress', 'egress']), outcome: z.string(), packets: count, bytes: count })).optional(),
});

/** A slot of rules of layer 7 that policies of this node need, see docs/decisions/layer7.md. */
const slot = z.object({
  name: z.string(),
  /** Where Envoy listens for it. */
  port: z.int(),
  /** Whether Envoy has accepted its listener and listens; until then what is to be steered there is dropped. */
  ready: z.boolean(),
  /** In Envoy's words, where it refused the listener. */
  refusal: z.string().optional(),
  /** The same of its filter; it has the one before, if there was any. */
  filterRefusal: z.string().optional(),
});

const configCondition = z.object({ status: z.enum(['True', 'False', 'Unknown']), reason: z.string(), message: z.string() });

/** A CiliumEnvoyConfig, or one of no namespace, as its status tells it. */
const config = z.object({
  kind: z.string(),
  /** Empty: it has none. */
  namespace: z.string(),
  name: z.string(),
  accepted: configCondition,
  resolvedRefs: configCondition,
  /** Absent where this process does not know: only the controller that leads is told by nodes. */
  programmed: configCondition.optional(),
  /** Absent where no node is to have anything of it, or `programmed` is. */
  nodes: z.object({ programmed: count, total: count }).optional(),
});

const flows = z.object({
  /** Where clients of Hubble ask, on this machine. */
  socket: z.string().optional(),
  /** Flows that can be asked for. */
  remembered: count,
  /** How many are remembered at most. */
  capacity: count,
  /** Since the start. */
  seen: count,
  /** Flows that somebody was not told of, since the start, by where they were lost. */
  lost: z.record(z.string(), count),
  /** To a collector of OpenTelemetry, since the start; absent where none is told. */
  exported: z.object({ sent: count, waiting: count, failure: z.string().optional() }).optional(),
});

/** What `/status` answers: the whole of a running Sluice at a glance. */
export const statusSchema = z.object({
  role: z.enum(['run', 'controller', 'agent', 'enforcer']),
  version: z.string(),
  pid: z.int(),
  /** ISO 8601. */
  since: z.string(),
  ready: z.boolean(),
  /** Why not; absent when ready. */
  notReady: z.string().optional(),
  /** The folder that objects come from; of `run`. */
  manifests: z.string().optional(),
  /** Where requests come in; of `run`. */
  entry: z.object({ address: z.string(), httpPort: z.int(), httpsPort: z.int() }).optional(),
  /** Of `run` and `agent`. */
  envoy: envoy.optional(),
  /** Of `controller`. */
  cluster: cluster.optional(),
  /** Of `agent` and `enforcer`. */
  relay: relay.optional(),
  /** Of `enforcer`, and of `run` where it enforces. */
  enforcement: enforcement.optional(),
  /** Of `agent`, and of `run`, where policies are enforced. */
  slots: z.array(slot).optional(),
  /** Of `agent`, and of `run`, where flows are remembered. */
  flows: flows.optional(),
  /** What it does beside what it is there for and could not begin yet, and why; absent where there is nothing of the kind. */
  failing: z.array(z.object({ what: z.string(), reason: z.string() })).optional(),
  /** How many CiliumEnvoyConfigs an Envoy is trying, which are not served before; absent where none are. */
  trying: count.optional(),
  /** Sorted; of `controller` and `run`, where there are any. */
  configs: z.array(config).optional(),
  objects: z.record(z.string(), count),
  resources: z.record(z.string(), count),
  clients: z.array(client),
  findings: z.object({ error: count, warning: count, info: count }),
  rejected: z.array(rejection),
});

export type Status = z.output<typeof statusSchema>;
export type ConfigConditionStatus = z.output<typeof configCondition>;
export type ConfigStatus = z.output<typeof config>;
export type EnvoyStatus = z.output<typeof envoy>;
export type ClusterStatus = z.output<typeof cluster>;
export type PolicyStatus = z.output<typeof policyStatus>;
export type EnforcementStatus = z.output<typeof enforcement>;
export type SteeringStatus = NonNullable<EnforcementStatus['steering']>;
export type SlotStatus = z.output<typeof slot>;
export type FlowsStatus = z.output<typeof flows>;
export type RelayStatus = z.output<typeof relay>;
