import { z } from 'zod';
import { Redacted } from '../../model/index.ts';
import { namespacedMetadata, optional } from './metadata.ts';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const base64 = z
  .string()
  .transform((text) => text.replace(/[\r\n]/g, ''))
  .refine((text) => BASE64.test(text), 'must be base64')
  .transform((text) => new Redacted(Buffer.from(text, 'base64').toString('utf8')));

const plain = z.string().transform((text) => new Redacted(text));

function map<T extends z.ZodType>(value: T) {
  return z.record(z.string(), value).nullish();
}

/**
 * The values are decoded, as UTF-8, and wrapped; `stringData` wins over `data`, as the API server has it.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/
 */
export const secretView = z
  .object({
    apiVersion: z.literal('v1'),
    kind: z.literal('Secret'),
    metadata: namespacedMetadata,
    type: optional(z.string()),
    data: map(base64),
    stringData: map(plain),
  })
  .transform(({ data, stringData, ...rest }) => ({ ...rest, data: { ...data, ...stringData } }));

export type Secret = z.output<typeof secretView>;
