import { readFileSync } from 'node:fs';
import { z } from 'zod';

const workspace = z.object({ version: z.string(), config: z.object({ envoy: z.string() }) });

export interface Versions {
  readonly sluice: string;
  /** The Envoy that this Sluice is made for. */
  readonly envoy: string;
}

export function readVersions(): Versions {
  const { version, config } = workspace.parse(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')));
  return { sluice: version, envoy: config.envoy };
}

export function describeVersions({ sluice, envoy }: Versions): string {
  return `sluice ${sluice} (Envoy ${envoy})`;
}
