import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildImages } from '../../images/build-image.ts';
import { runSluiceCommand } from '../../testkit/sluice-command.ts';
import { runToEnd } from './command.ts';
import type { ImageRow } from './images/table.ts';
import { type LabOptions, startLab } from './lab.ts';
import { LabError } from './lab-error.ts';
import type { RunningLab } from './running-lab.ts';

const MANIFEST = new URL('../../manifests/install.yaml', import.meta.url);
const PACKAGE = new URL('../../package.json', import.meta.url);
/** Where images have what says their version. */
const PACKAGE_IN_IMAGE = '/opt/sluice/package.json';
const TARGETS = ['controller', 'agent', 'enforcer', 'envoy'];
const READY_WITHIN_S = 180;

export interface LabWithSluiceOptions extends LabOptions {
  readonly images?: readonly ImageRow[];
  /** Further versions that there are images of: the same programs, which call themselves so. */
  readonly furtherVersions?: readonly string[];
}

/** Starts a lab that has the images which `manifests/install.yaml` names: the roots that `images/Dockerfile` makes of this checkout. */
export async function startLabWithImages(options: LabWithSluiceOptions = {}): Promise<RunningLab> {
  const { report = () => {}, images = [], furtherVersions = [] } = options;
  return await startLab({
    ...options,
    images: async (folder) => {
      const own = await sluiceImages(folder, report);
      return [...images, ...furtherVersions.flatMap((version) => imagesOf(version, own, folder)), ...own];
    },
  });
}

/** The manifest that users apply, for the images of a version. Default: the one of this checkout. */
export function installManifest(version?: string): string {
  const text = readFileSync(MANIFEST, 'utf8');
  return version === undefined ? text : text.replaceAll(/(image: sluice\/\w+):\S+/g, `$1:${version}`);
}

/**
 * Starts a lab and installs Sluice in it as users do: by `manifests/install.yaml`, and waiting until everything is in force.
 * @throws LabError `not-ready` with what `sluice status` says
 */
export async function startLabWithSluice(options: LabWithSluiceOptions = {}): Promise<RunningLab> {
  const lab = await startLabWithImages(options);
  try {
    options.report?.('installing Sluice');
    await lab.apply(installManifest());
    await untilInForce(lab);
    return lab;
  } catch (error) {
    await lab.down();
    throw error;
  }
}

/** Waits until all of Sluice is ready and every Envoy has what it is to have. */
export async function untilInForce(lab: RunningLab): Promise<void> {
  const args = ['status', '--cluster', '--wait', '--timeout', String(READY_WITHIN_S), '--kubeconfig', lab.kubeconfig];
  const { code, stdout, stderr } = await runSluiceCommand(args);
  if (code !== 0) throw new LabError('not-ready', `Sluice is not ready in lab ${lab.name}:\n${stdout}${stderr}`);
}

/** What a lab runs for the images. Their content is kept in the folder, since later builds remove that of earlier ones. */
async function sluiceImages(folder: string, report: (what: string) => void): Promise<readonly ImageRow[]> {
  const built = await buildImages(TARGETS, { report });
  return await Promise.all(
    [...built].map(async ([name, { root, config }]) => ({
      match: `sluice/${name}:*`,
      root: await keep(root, join(folder, name)),
      entrypoint: config.entrypoint,
      env: Object.entries(config.environment).map(([key, value]) => `${key}=${value}`),
      user: config.user,
      workingDir: config.workingFolder,
    })),
  );
}

/** The same images as of another version. */
function imagesOf(version: string, images: readonly ImageRow[], folder: string): readonly ImageRow[] {
  const file = join(folder, `package-${version}.json`);
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(PACKAGE, 'utf8')), version }));
  return images.map((image) => {
    const hasVersion = existsSync(join(image.root ?? '/', PACKAGE_IN_IMAGE));
    return { ...image, match: image.match.replace(/\*$/, version), ...(hasVersion && { files: { [PACKAGE_IN_IMAGE]: file } }) };
  });
}

/** Links files, where the file system is one and the same. */
async function keep(root: string, copy: string): Promise<string> {
  const { code } = await runToEnd(['cp', '-al', root, copy], {});
  if (code === 0) return copy;
  const { code: failure, stderr } = await runToEnd(['cp', '-aT', root, copy], {});
  if (failure !== 0) throw new LabError('command-failed', `an image cannot be copied: ${stderr}`);
  return copy;
}
