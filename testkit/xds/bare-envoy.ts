import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, writeFileSync } from 'node:fs';
import { buildBootstrap, encodeBootstrap } from '../../agent/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { envoyBinary } from '../envoy-binary.ts';
import type { TemporaryFolder } from '../temporary-folder.ts';

/** A stock Envoy that takes everything from an xDS server, and nothing around it. It ends with the folder. */
export class BareEnvoy {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static start(folder: TemporaryFolder, xdsSocket: string, nodeId: string): BareEnvoy {
    const adminSocket = folder.join(`${nodeId}.admin`);
    const settings = DEFAULT_SETTINGS.envoy;
    const config = folder.join(`${nodeId}.json`);
    writeFileSync(config, encodeBootstrap(buildBootstrap({ nodeId, cluster: 'test', xdsSocket, adminSocket, settings })));
    const log = openSync(folder.join(`${nodeId}.log`), 'a');
    const args = [
      '-c',
      config,
      '--concurrency',
      '1',
      '--disable-hot-restart',
      '--log-level',
      'warning',
      '--file-flush-interval-msec',
      '100',
    ];
    return new BareEnvoy(spawn(envoyBinary(), args, { stdio: ['ignore', log, log] }));
  }

  async kill(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}
