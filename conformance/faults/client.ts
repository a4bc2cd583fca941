import type { RunningLab } from '../lab/index.ts';
import { type ClientRequest, type Counts, countsView } from './client-messages.ts';
import { LabChild } from './lab-child.ts';

/** Where clients ask, and who may answer. */
export interface ClientTarget {
  readonly address: string;
  readonly host: string;
  readonly backends: readonly string[];
  /** Whether what led to no host counts by itself, and not as failed. Default: no. */
  readonly setsUndeliveredApart?: boolean;
}

/** Clients outside of a lab's cluster that never try twice: HTTP/1.1 with kept and with new connections, and HTTP/2. */
export class Client implements AsyncDisposable {
  readonly #child: LabChild<ClientRequest>;

  private constructor(child: LabChild<ClientRequest>) {
    this.#child = child;
  }

  /** Begins to ask at port 80, at all times. */
  static async start(lab: RunningLab, target: ClientTarget): Promise<Client> {
    const child = new LabChild<ClientRequest>(lab, new URL('client-program.ts', import.meta.url));
    await child.ask({ kind: 'start', ...target });
    return new Client(child);
  }

  /** Tells of something with the failures that follow soon. */
  async note(text: string): Promise<void> {
    await this.#child.ask({ kind: 'note', text });
  }

  async counts(): Promise<Counts> {
    return countsView.parse(await this.#child.ask({ kind: 'counts' }));
  }

  /** What failed since some counts had to: it still counts, and is told of no more. */
  async forgive(since: Counts): Promise<Counts> {
    return countsView.parse(await this.#child.ask({ kind: 'forgive', except: since.failures.length }));
  }

  /** Resolves when the last request is over. */
  async stop(): Promise<Counts> {
    return countsView.parse(await this.#child.ask({ kind: 'stop' }));
  }

  /** Resolves with the first answer of a backend there. */
  async untilAnswered(address: string, port: number, host: string): Promise<void> {
    await this.#child.ask({ kind: 'until-answered', address, port, host });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
