import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type GoProgram, goBinary } from '../lab/go-program.ts';

const HUBBLE: GoProgram = {
  name: 'hubble',
  module: fileURLToPath(new URL('hubble/', import.meta.url)),
  package: '.',
  ldflags: '-s -w',
  about: 'building hubble; the first time takes minutes',
};

/**
 * The binary of Hubble's own client, cached as the lab's.
 * @param report is told when a build begins
 * @returns its path
 * @throws LabError `no-go`, `build-failed`
 */
export async function hubbleBinary(report: (what: string) => void): Promise<string> {
  return await goBinary(HUBBLE, report);
}

export interface HubbleAnswer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Hubble's own client, and whom it asks. */
export class HubbleClient {
  readonly binary: string;
  readonly #server: readonly string[];

  /** @param server options that say where it is, and who asks */
  constructor(binary: string, server: readonly string[]) {
    this.binary = binary;
    this.#server = server;
  }

  /** @param args separated by spaces */
  argsFor(args: string): readonly string[] {
    return [...args.split(' '), ...this.#server];
  }

  /** What it says to these, and how it ends. */
  ask(args: string): Promise<HubbleAnswer> {
    // What is configured on this machine is nobody's business here.
    const env = { PATH: process.env['PATH'], HOME: '/nonexistent' };
    return new Promise((resolve) => {
      execFile(this.binary, this.argsFor(args), { env }, (error, stdout, stderr) => {
        resolve({ code: error ? (typeof error.code === 'number' ? error.code : -1) : 0, stdout, stderr });
      });
    });
  }

  /** What it prints, which it has to do without an error. */
  async tell(args: string): Promise<string> {
    const { code, stdout, stderr } = await this.ask(args);
    if (code !== 0) throw new Error(`hubble ${args} ends with ${code}: ${stderr}`);
    return stdout;
  }
}
