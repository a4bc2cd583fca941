import { request } from 'node:http';
import { constants } from 'node:os';
import { text } from 'node:stream/consumers';
import { LabError } from './lab-error.ts';

/** A process of a lab. */
export interface ProcessState {
  readonly name: string;
  /** Empty for what is beside the router. */
  readonly place: string;
  /** In the lab's process namespace; 0 where it does not run. */
  readonly pid: number;
  /** How often it has ended by itself and was started again. */
  readonly restarts: number;
}

/** A process of a container. */
export interface ContainerProcess {
  /** In the lab's process namespace. */
  readonly pid: number;
  readonly args: readonly string[];
}

/** Asks a lab's first process, see `kubernetes/supervisor`. @throws LabError `refused` */
export class Control {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  async processes(): Promise<readonly ProcessState[]> {
    return JSON.parse(await this.#ask('GET', '/processes'));
  }

  /** Does nothing where it runs. */
  async start(process: string): Promise<void> {
    await this.#ask('POST', `/processes/${process}/start`);
  }

  /** Waits until it has ended. It stays away until it is started. */
  async end(process: string, signal: NodeJS.Signals): Promise<void> {
    await this.#ask('POST', `/processes/${process}/end?signal=${constants.signals[signal]}`);
  }

  /** The first one comes first. Empty where the container does not run. */
  async containerProcesses(id: string): Promise<readonly ContainerProcess[]> {
    return JSON.parse(await this.#ask('GET', `/containers/${id}`));
  }

  async signal(pid: number, signal: NodeJS.Signals): Promise<void> {
    await this.#ask('POST', `/pids/${pid}/signal?signal=${constants.signals[signal]}`);
  }

  async #ask(method: string, path: string): Promise<string> {
    return await new Promise((resolve, reject) => {
      const sent = request({ socketPath: this.#socket, method, path, agent: false }, (response) => {
        text(response).then((body) => {
          if (response.statusCode === 200) resolve(body);
          else reject(new LabError('refused', `${method} ${path}: ${body.trim()}`));
        }, reject);
      });
      sent.on('error', reject).end();
    });
  }
}
