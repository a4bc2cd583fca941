import { fileURLToPath } from 'node:url';

const SET_UP_ENVOY = fileURLToPath(new URL('../.setup/envoy', import.meta.url));

/** The Envoy to run: `SLUICE_ENVOY`, or the one that the set-up installed. */
export function envoyBinary(env: NodeJS.ProcessEnv = process.env): string {
  return env['SLUICE_ENVOY'] || SET_UP_ENVOY;
}
