import { z } from 'zod';

export const CERTIFICATE_REQUESTS = '/apis/certificates.k8s.io/v1/certificatesigningrequests';

const condition = z.object({ type: z.string(), reason: z.string().default(''), message: z.string().default('') });

const view = z.object({
  metadata: z.object({ name: z.string(), resourceVersion: z.string() }),
  spec: z.object({
    /** PEM in base64, as bytes are in JSON. */
    request: z.base64().transform((encoded) => Buffer.from(encoded, 'base64').toString('latin1')),
    signerName: z.string(),
    usages: z.array(z.string()).default([]),
    username: z.string().default(''),
    extra: z.record(z.string(), z.array(z.string())).default({}),
    expirationSeconds: z.int().optional(),
  }),
  status: z
    .object({
      conditions: z.array(condition).default([]),
      certificate: z
        .base64()
        .transform((encoded) => Buffer.from(encoded, 'base64').toString('latin1'))
        .default(''),
    })
    .default({ conditions: [], certificate: '' }),
});

/**
 * A CertificateSigningRequest. The API server has filled in who asks, in `username` and `extra`; all else is what they said.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/certificate-signing-request-v1/
 */
export interface CertificateRequest extends z.output<typeof view> {
  /** The object as it came, for writing it back. */
  readonly raw: Readonly<Record<string, unknown>>;
}

export type ConditionType = 'Approved' | 'Denied' | 'Failed';

/** @returns undefined for what is no such object */
export function readCertificateRequest(object: unknown): CertificateRequest | undefined {
  const raw = z.record(z.string(), z.unknown()).safeParse(object);
  const read = view.safeParse(object);
  return raw.success && read.success ? { ...read.data, raw: raw.data } : undefined;
}

export function hasCondition({ status }: CertificateRequest, ...types: readonly ConditionType[]): boolean {
  return status.conditions.some(({ type }) => types.some((wanted) => wanted === type));
}
