import { execFile } from 'node:child_process';
import { LabError } from './lab-error.ts';

export interface KubectlOptions {
  readonly kubeconfig: string;
  /** For its standard input. */
  readonly input?: string;
}

/** Runs the lab's kubectl and gives its standard output. @throws LabError `command-failed` with what it said */
export async function runKubectl(binary: string, args: readonly string[], { kubeconfig, input = '' }: KubectlOptions): Promise<string> {
  return await new Promise((resolve, reject) => {
    const env = { ...process.env, KUBECONFIG: kubeconfig };
    const child = execFile(binary, ['kubectl', ...args], { env, maxBuffer: 2 ** 28 }, (error, stdout, stderr) => {
      if (error) reject(new LabError('command-failed', `kubectl ${args.join(' ')}: ${stderr || error.message}`, { cause: error }));
      else resolve(stdout);
    });
    child.stdin?.on('error', () => {}).end(input);
  });
}

/** As kubectl reads them: YAML stays, objects become documents. */
export function manifestText(manifests: string | readonly object[]): string {
  return typeof manifests === 'string' ? manifests : manifests.map((object) => JSON.stringify(object)).join('\n---\n');
}

export const APPLY = ['apply', '--server-side', '--force-conflicts', '-f', '-'] as const;
