import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

const auditEvent = z.object({
  stage: z.string(),
  verb: z.string(),
  requestURI: z.string(),
  user: z.object({ username: z.string() }),
  userAgent: z.string().default(''),
  objectRef: z
    .object({
      apiGroup: z.string().default(''),
      resource: z.string().default(''),
      subresource: z.string().default(''),
      namespace: z.string().default(''),
      name: z.string().default(''),
    })
    .optional(),
  responseStatus: z.object({ code: z.int().default(0) }).default({ code: 0 }),
  requestReceivedTimestamp: z.string().transform((text) => Date.parse(text)),
  stageTimestamp: z.string().transform((text) => Date.parse(text)),
});

/**
 * A request to an API server, when it was answered; a watch also when it began. Times are milliseconds since 1970.
 * @see https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/#audit-k8s-io-v1-Event
 */
export type AuditEvent = z.output<typeof auditEvent>;

/** All requests that a log tells of so far, in the order in which they were answered. @param path of JSON lines */
export function readAuditLog(path: string): readonly AuditEvent[] {
  if (!existsSync(path)) return [];
  const text = readFileSync(path, 'utf8');
  // The last line may be under way.
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line !== '').map((line) => auditEvent.parse(JSON.parse(line)));
}
