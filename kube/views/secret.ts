import { z } from 'zod';
import { Redacted } from '../../model/index.ts';
import { namespacedMetadata, text } from './metadata.ts';

/** One loop without groups: a nested one overflows the stack of the expression engine at some megabytes. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

const base64 = z
  .string()
  .transform((encoded) => encoded.replace(/[\r\n]/g, ''))
  .refine((encoded) => encoded.length % 4 === 0 && BASE64.test(encoded), 'must be base64')
  .transform((encoded) => new Redacted(Buffer.from(encoded, 'base64').toString('utf8')));

const plain = z.string().transform((value) => new Redacted(value));

/**
 * The values are decoded, as UTF-8, and wrapped; `stringData` wins over `data`, as the API server has it.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/
 */
export const secretView = z
  .object({
    apiVersion: z.literal('v1'),
    kind: z.literal('Secret'),
    metadata: namespacedMetadata,
    type: text,
    data: z.record(z.string(), base64).optional(),
    stringData: z.record(z.string(), plain).optional(),
  })
  .transform(({ data, stringData, ...rest }) => ({ ...rest, data: { ...data, ...stringData } }));

export type Secret = z.output<typeof secretView>;
