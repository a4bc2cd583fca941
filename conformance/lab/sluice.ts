import { readFileSync } from 'node:fs';
import { buildImages } from '../../images/build-image.ts';
import { runSluiceCommand } from '../../testkit/sluice-command.ts';
import type { ImageRow } from './images/table.ts';
import { type LabOptions, startLab } from './lab.ts';
import { LabError } from './lab-error.ts';
import type { RunningLab } from './running-lab.ts';

const MANIFEST = new URL('../../manifests/install.yaml', import.meta.url);
const TARGETS = ['controller', 'agent', 'envoy'];
const READY_WITHIN_S = 180;

/**
 * Starts a lab and installs Sluice in it as users do: the roots that `images/Dockerfile` makes of this checkout, `manifests/install.yaml`,
 * and waiting until everything is in force.
 * @throws LabError `not-ready` with what `sluice status` says
 */
export async function startLabWithSluice(options: LabOptions = {}): Promise<RunningLab> {
  const { report = () => {}, images = [] } = options;
  const lab = await startLab({ ...options, images: [...images, ...(await sluiceImages(report))] });
  try {
    report('installing Sluice');
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

/** What a lab runs for the images that `manifests/install.yaml` names, built of this checkout. */
export async function sluiceImages(report: (what: string) => void = () => {}): Promise<readonly ImageRow[]> {
  const built = await buildImages(TARGETS, { report });
  return [...built].map(([name, { root, config }]) => ({
    match: `sluice/${name}:*`,
    root,
    entrypoint: config.entrypoint,
    env: Object.entries(config.environment).map(([key, value]) => `${key}=${value}`),
    user: config.user,
    workingDir: config.workingFolder,
  }));
}
