import { z } from 'zod';
import { collector } from './tracing.ts';

/** Of flows, to a collector of OpenTelemetry. */
export const flowExport = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Whether nodes tell a collector of OpenTelemetry of flows.'),
    as: z
      .enum(['logs', 'spans'])
      .default('logs')
      .describe(
        'What a flow is told by. Of spans, a request is one of its client and a response one of its server; related flows are of one trace.',
      ),
    allow: z
      .array(z.string().min(1))
      .default([])
      .describe('Which flows: filters of Hubble as JSON, such as {"verdict":["DROPPED"]}, any of which is to match; none for all flows.'),
    deny: z.array(z.string().min(1)).default([]).describe('Which flows not, in the same form, whatever allow says.'),
    resourceAttributes: z
      .record(z.string(), z.string())
      .optional()
      .describe('What is said of who tells, beside service.name and k8s.node.name.'),
    compression: z
      .enum(['none', 'gzip'])
      .default('none')
      .describe('What it is sent by. Of nodes and collectors that are near each other, gzip takes more than it saves.'),
    collector,
  })
  .prefault({});
