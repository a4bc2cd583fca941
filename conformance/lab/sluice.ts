import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildImages } from '../../images/build-image.ts';
import { runSluiceCommand } from '../../testkit/sluice-command.ts';
import { runToEnd } from './command.ts';
import type { ImageRow } from './images/table.ts';
import { type LabOptions, startLab } from './lab.ts';
import { LabError } from './lab-error.ts';
import type { RunningLab } from './running-lab.ts';

const MANIFEST = new URL('../../manifests/install.yaml', import.meta.url);
const TARGETS = ['controller', 'agent', 'envoy'];
const READY_WITHIN_S = 180;

export interface LabWithSluiceOptions extends LabOptions {
  readonly images?: readonly ImageRow[];
}

/** Starts a lab that has the images which `manifests/install.yaml` names: the roots that `images/Dockerfile` makes of this checkout. */
export async function startLabWithImages(options: LabWithSluiceOptions = {}): Promise<RunningLab> {
  const { report = () => {}, images = [] } = options;
  return await startLab({ ...options, images: async (folder) => [...images, ...(await sluiceImages(folder, report))] });
}

/**
 * Starts a lab and installs Sluice in it as users do: by `manifests/install.yaml`, and waiting until everything is in force.
 * @throws LabError `not-ready` with what `sluice status` says
 */
export async function startLabWithSluice(options: LabWithSluiceOptions = {}): Promise<RunningLab> {
  const lab = await startLabWithImages(options);
  try {
    options.report?.('installing Sluice');
    await lab.apply(readFileSync(MANIFEST, 'utf8'));
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

/** Links files, where the file system is one and the same. */
async function keep(root: string, copy: string): Promise<string> {
  const { code } = await runToEnd(['cp', '-al', root, copy], {});
  if (code === 0) return copy;
  const { code: failure, stderr } = await runToEnd(['cp', '-aT', root, copy], {});
  if (failure !== 0) throw new LabError('command-failed', `an image cannot be copied: ${stderr}`);
  return copy;
}
