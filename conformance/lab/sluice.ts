import { readFileSync } from 'node:fs';
import { buildImages } from '../../images/build-image.ts';
import type { ImageRow } from './images/table.ts';

const MANIFEST = new URL('../../manifests/install.yaml', import.meta.url);
const TARGETS = ['controller', 'agent', 'envoy'];

/**
 * What a lab has to run for the images that `manifests/install.yaml` names: the roots that `images/Dockerfile` makes of this checkout.
 * @param report is told of every step of a build that is not cached
 */
export async function sluiceImages(report?: (what: string) => void): Promise<readonly ImageRow[]> {
  const built = await buildImages(TARGETS, report ? { report } : {});
  return [...built].map(([name, { root, config }]) => ({
    match: `sluice/${name}:*`,
    root,
    entrypoint: config.entrypoint,
    env: Object.entries(config.environment).map(([key, value]) => `${key}=${value}`),
    user: config.user,
    workingDir: config.workingFolder,
  }));
}

/** The product as users install it. */
export function installManifest(): string {
  return readFileSync(MANIFEST, 'utf8');
}
