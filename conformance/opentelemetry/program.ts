import { fileURLToPath } from 'node:url';
import { type GoProgram, goBinary, whyNoGoBinary } from '../lab/go-program.ts';

const COLLECTOR: GoProgram = {
  name: 'opentelemetry-collector',
  module: fileURLToPath(new URL('program/', import.meta.url)),
  package: '.',
  ldflags: '-s -w',
  about: 'building the collector of OpenTelemetry; the first time takes minutes',
};

/**
 * The binary of the collector, cached as the lab's.
 * @returns its path
 * @throws LabError `no-go`, `build-failed`
 */
export async function collectorBinary(): Promise<string> {
  return await goBinary(COLLECTOR);
}

/** Why there is no binary and none can be built; undefined where there is one or one can be. */
export function whyNoCollectorBinary(): string | undefined {
  return whyNoGoBinary(COLLECTOR);
}
