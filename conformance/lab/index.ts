import { findLab, type LabOptions, startLab } from './lab.ts';
import type { RunningLab } from './running-lab.ts';

export { agnhostImage, labBinary, whyNoLabBinary } from './binary.ts';
export type { CommandResult } from './command.ts';
export type { ContainerProcess, ProcessState } from './control.ts';
export { ControlPlane, type ControlPlaneOptions, type ControlPlaneProcess } from './control-plane.ts';
export type { Credentials } from './credentials.ts';
export type { ImageRow } from './images/table.ts';
export type { LabOptions } from './lab.ts';
export { LabError, type LabErrorCode } from './lab-error.ts';
export type { Where } from './places.ts';
export type { RunningLab } from './running-lab.ts';

/** A whole cluster in namespaces of its own: `await using lab = await Lab.start({ nodes: 2 });` */
export const Lab = {
  start: (options?: LabOptions): Promise<RunningLab> => startLab(options),
  find: findLab,
};
