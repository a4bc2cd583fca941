import { fileURLToPath } from 'node:url';
import { ASKED_STDIO, AskedProgram } from '../../testkit/asked-program.ts';
import type { RunningLab, Where } from '../lab/index.ts';

/** A program of this folder that runs in the network of a place of a lab. */
export class LabChild<Request> extends AskedProgram<Request> {
  /** @param program a file URL */
  constructor(lab: RunningLab, program: URL, where: Where = {}, args: readonly string[] = []) {
    super({ program, child: lab.spawn([process.execPath, fileURLToPath(program), ...args], { ...where, stdio: ASKED_STDIO }) });
  }
}
