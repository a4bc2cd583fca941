import { z } from 'zod';
import { AUDIT_ANNOTATION, VISIBILITY_ANNOTATION } from './handling-annotations.ts';
import { annotationsOf, list, namespacedMetadata, text } from './metadata.ts';

const containerPort = z.object({ name: text, containerPort: z.int(), protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP') });

const container = z.object({ restartPolicy: text, ports: list(containerPort) });

/** A port of a container that has a name. */
export interface NamedPort {
  readonly name: string;
  readonly number: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

const podSpec = z
  .object({
    nodeName: text,
    hostNetwork: z.boolean().default(false),
    serviceAccountName: text,
    containers: list(container),
    initContainers: list(container),
  })
  .prefault({})
  .transform(({ containers, initContainers, ...rest }) => {
    // Init containers that are restarted run beside the others: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
    const running = [...containers, ...initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')];
    const ports = running.flatMap(({ ports }) => ports);
    return {
      ...rest,
      ports: ports.flatMap(({ name, containerPort: number, protocol }): NamedPort[] => (name ? [{ name, number, protocol }] : [])),
    };
  });

const podStatus = z
  .object({ phase: text, podIP: text, podIPs: list(z.object({ ip: text })) })
  .prefault({})
  .transform(({ phase, podIP, podIPs }) => {
    const addresses = podIPs.flatMap(({ ip }) => (ip ? [ip] : []));
    return { phase, addresses: addresses.length > 0 || !podIP ? addresses : [podIP] };
  });

/** Names what made an object. Nothing but names is told by it, so one that cannot be read is nobody's. */
const ownerReferences = z.array(z.object({ kind: z.string(), name: z.string(), controller: z.boolean().optional() })).catch([]);

const podMetadata = namespacedMetadata
  .extend({ annotations: annotationsOf(AUDIT_ANNOTATION, VISIBILITY_ANNOTATION), ownerReferences })
  .transform(({ ownerReferences, ...rest }) => {
    const owner = ownerReferences.find(({ controller }) => controller === true);
    return { ...rest, ...(owner && { controller: { kind: owner.kind, name: owner.name } }) };
  });

/**
 * What tells pods apart: there may be ten thousands of them, so nothing else is kept. Of the ports those with names count.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
 */
export const podView = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Pod'),
  metadata: podMetadata,
  spec: podSpec,
  status: podStatus,
});

export type Pod = z.output<typeof podView>;
