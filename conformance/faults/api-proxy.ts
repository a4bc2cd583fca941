import { join } from 'node:path';
import type { RunningLab } from '../lab/index.ts';
import { LabChild } from './lab-child.ts';
import { type ApiFault, type ProxyCounts, type ProxyRequest, proxyCountsView } from './proxy-messages.ts';

const ADDRESS = '10.240.0.1';
const API_SERVER = `https://${ADDRESS}:6443`;
const PORT = '7443';

/** Stands between programs of a lab and its API server, whose certificate it has, with the rights of whoever asks. */
export class ApiProxy implements AsyncDisposable {
  /** What a pod is to be told to ask it in place of the API server, as `kubectl set env` has it. */
  readonly environment = [`KUBERNETES_SERVICE_HOST=${ADDRESS}`, `KUBERNETES_SERVICE_PORT=${PORT}`];
  readonly #child: LabChild<ProxyRequest>;

  constructor(lab: RunningLab) {
    const args = [API_SERVER, ADDRESS, PORT, join(lab.folder, 'etc', 'pki')];
    this.#child = new LabChild<ProxyRequest>(lab, new URL('proxy-program.ts', import.meta.url), { where: 'router' }, args);
  }

  /** Does this to requests from now on, and to those that were open by breaking them. */
  async begin(fault: ApiFault): Promise<void> {
    await this.#child.ask({ kind: 'begin', fault });
  }

  async end(): Promise<void> {
    await this.#child.ask({ kind: 'end' });
  }

  async counts(): Promise<ProxyCounts> {
    return proxyCountsView.parse(await this.#child.ask({ kind: 'counts' }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
