import { z } from 'zod';
import { formatMicroTime } from '../micro-time.ts';

/** Who leads, as a Lease says it: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/ */
export interface LeaseRecord {
  /** Empty where nobody does. */
  readonly holder: string;
  readonly durationMs: number | undefined;
  readonly acquireTime: string | undefined;
  readonly renewTime: string | undefined;
  readonly transitions: number;
}

export interface StoredLease {
  readonly record: LeaseRecord;
  readonly resourceVersion: string;
}

const leaseView = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  spec: z
    .object({
      holderIdentity: z.string().nullish(),
      leaseDurationSeconds: z.number().nullish(),
      acquireTime: z.string().nullish(),
      renewTime: z.string().nullish(),
      leaseTransitions: z.number().nullish(),
    })
    .nullish(),
});

/** @param body a Lease as the API server answers it */
export function readLease(body: unknown): StoredLease {
  const { metadata, spec } = leaseView.parse(body);
  const record = {
    holder: spec?.holderIdentity ?? '',
    durationMs: spec?.leaseDurationSeconds ? spec.leaseDurationSeconds * 1_000 : undefined,
    acquireTime: spec?.acquireTime ?? undefined,
    renewTime: spec?.renewTime ?? undefined,
    transitions: spec?.leaseTransitions ?? 0,
  };
  return { record, resourceVersion: metadata.resourceVersion };
}

/**
 * The record of who takes or renews the lease.
 * @param before what is there
 */
export function heldRecord(holder: string, durationMs: number, before: LeaseRecord | undefined, now: Date): LeaseRecord {
  const renewTime = formatMicroTime(now);
  const isRenewal = before?.holder === holder;
  return {
    holder,
    durationMs,
    acquireTime: isRenewal ? before.acquireTime : renewTime,
    renewTime,
    transitions: (before?.transitions ?? -1) + (isRenewal ? 0 : 1),
  };
}

/** The record of who gives the lease back. */
export function releasedRecord(before: LeaseRecord, now: Date): LeaseRecord {
  const time = formatMicroTime(now);
  return { ...before, holder: '', durationMs: 1_000, acquireTime: time, renewTime: time };
}

/** @param resourceVersion of the Lease that it replaces; undefined where there is none */
export function leaseManifest(name: string, namespace: string, record: LeaseRecord, resourceVersion: string | undefined) {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace, ...(resourceVersion !== undefined && { resourceVersion }) },
    spec: {
      holderIdentity: record.holder,
      leaseDurationSeconds: Math.max(1, Math.ceil((record.durationMs ?? 0) / 1_000)),
      acquireTime: record.acquireTime,
      renewTime: record.renewTime,
      leaseTransitions: record.transitions,
    },
  };
}
