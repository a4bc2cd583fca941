import type { EnforcementOptions } from '../controller/enforcement/enforcement.ts';

/** Where nobody serves the Envoys of nodes, so nothing comes of slots there. */
export const withoutEnvoys: Pick<EnforcementOptions, 'slots' | 'publish'> = {
  slots: { http: { streamIdleTimeoutMs: 300_000, pathNormalization: 'full', headersWithUnderscores: 'allow' }, regexMaxProgramSize: 1_000 },
  publish: () => {},
};
