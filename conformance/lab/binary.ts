import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type GoProgram, goBinary, whyNoGoBinary } from './go-program.ts';
import type { ImageRow } from './images/table.ts';
import { LabError } from './lab-error.ts';

const MODULE = fileURLToPath(new URL('kubernetes/', import.meta.url));

const LAB: GoProgram = {
  name: 'lab',
  module: MODULE,
  package: '.',
  ldflags: `-s -w -X k8s.io/component-base/version.gitVersion=${kubernetesVersion()}`,
  about: 'building the lab from the sources of Kubernetes; the first time takes many minutes',
};

const CONTAINER: GoProgram = {
  name: 'container',
  module: MODULE,
  package: './container/program',
  ldflags: '-s -w',
  about: 'building what becomes the processes of containers',
};

const AGNHOST: GoProgram = {
  name: 'agnhost',
  module: MODULE,
  package: './agnhost',
  ldflags: '-s -w',
  about: 'building agnhost from the sources of Kubernetes',
};

/**
 * The lab's binary, which is built where no binary of exactly these sources is cached: 4 seconds on a warm build cache, many minutes on
 * a cold one. Of several processes that need it, one builds.
 * @param report is told when a build begins
 * @returns its path
 * @throws LabError `no-go`, `build-failed`
 */
export async function labBinary(report: (what: string) => void = () => {}): Promise<string> {
  return await goBinary(LAB, report);
}

/** The program that becomes the processes of containers, built as {@link labBinary} is. @throws LabError `no-go`, `build-failed` */
export async function containerBinary(report: (what: string) => void = () => {}): Promise<string> {
  return await goBinary(CONTAINER, report);
}

/** Why there is no binary and none can be built; undefined where there is one or one can be. */
export function whyNoLabBinary(): string | undefined {
  return whyNoGoBinary(LAB);
}

/**
 * What a lab needs to run Kubernetes' test image `agnhost`, of any version: its servers and clients of network tests.
 * @param report is told when a build begins
 * @throws LabError `no-go`, `build-failed`
 */
export async function agnhostImage(report: (what: string) => void = () => {}): Promise<ImageRow> {
  const program = await goBinary(AGNHOST, report);
  return { match: 'registry.k8s.io/e2e-test-images/agnhost:*', entrypoint: ['/agnhost'], cmd: ['pause'], files: { '/agnhost': program } };
}

/** The version that the module pins, which the API server cannot know by itself. */
function kubernetesVersion(): string {
  const version = /\bk8s\.io\/kubernetes (v\S+)/.exec(readFileSync(join(MODULE, 'go.mod'), 'utf8'))?.[1];
  if (version === undefined) throw new LabError('build-failed', 'go.mod does not name k8s.io/kubernetes');
  return version;
}
