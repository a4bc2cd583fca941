import { readFileSync } from 'node:fs';

const STAMP = new URL('gen/envoy.json', import.meta.url);

let version: string | undefined;

/**
 * The version of the Envoy binary that these types were generated from, such as `1.40.0`. An Envoy of another version may
 * refuse or misread what is made with them, so whoever starts one compares.
 * @throws Error where the types have not been generated
 */
export function envoyTypesVersion(): string {
  version ??= readVersion();
  return version;
}

function readVersion(): string {
  const stamp: unknown = JSON.parse(readFileSync(STAMP, 'utf8'));
  if (typeof stamp === 'object' && stamp !== null && 'version' in stamp && typeof stamp.version === 'string') return stamp.version;
  throw new Error("Envoy's types are incomplete: their folder does not say which version they are of; run: npm run setup");
}
