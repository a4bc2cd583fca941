import { fileURLToPath } from 'node:url';

/** The Envoy that tests run: `SLUICE_ENVOY`, or the one that the set-up put into the checkout. */
export function envoyBinary(): string {
  return process.env['SLUICE_ENVOY'] || fileURLToPath(new URL('../.setup/envoy', import.meta.url));
}
