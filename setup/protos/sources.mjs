import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Where messages of this project are defined, beside Envoy's that are generated. */
export const PROTOS_FOLDER = 'xds-server/proto';
/** What its own processes tell each other, and what clients of others know. */
const SOURCES = ['sluice', 'hubble'];

/**
 * The sources of messages, relative to their folder and in an order that is always the same. The oldest Node that sets up has no `glob`.
 * @param {string} root
 * @returns {readonly string[]} none where there is no such folder
 */
export function listProtos(root) {
  return SOURCES.flatMap((source) => {
    const folder = join(root, PROTOS_FOLDER, source);
    if (!existsSync(folder)) return [];
    const found = readdirSync(folder, { recursive: true }).filter((name) => String(name).endsWith('.proto'));
    return found.map((name) => join(source, String(name))).sort();
  });
}
