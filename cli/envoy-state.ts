import type { EnvoyEvent, ExternalEnvoyEvent } from '../agent/index.ts';
import type { EnvoyStatus } from '../controller/admin/status.ts';

/** What is known of the Envoy of a run, from what was told of it. */
export class EnvoyState {
  /** Whether some Envoy has answered everything of the first snapshot. */
  servesFirstSnapshot = false;
  readonly #version: string;
  #running: { readonly pid: number; readonly adopted: boolean; since: Date | undefined } | undefined;
  #external: { readonly version: string; readonly since: Date } | undefined;
  #isLive = false;

  constructor(version: string) {
    this.#version = version;
  }

  /** Whether one runs that has its first configuration. */
  get isLive(): boolean {
    return this.#isLive;
  }

  note(event: EnvoyEvent): void {
    switch (event.kind) {
      case 'ready':
        this.#isLive = true;
        return;
      case 'started':
        this.#running = { pid: event.pid, adopted: false, since: new Date() };
        return;
      case 'adopted':
        this.#running = { pid: event.pid, adopted: true, since: undefined };
        return;
      case 'exited':
      case 'stopped':
        this.#running = undefined;
        this.#isLive = false;
        return;
    }
  }

  /** The same for an Envoy that another process runs, whose id means nothing here. */
  noteExternal(event: ExternalEnvoyEvent): void {
    this.#isLive = event.kind === 'ready' || (event.kind === 'version-mismatch' && this.#isLive);
    if (event.kind === 'ready') this.#external = { version: event.version, since: new Date(Date.now() - event.uptimeSeconds * 1000) };
    else if (event.kind !== 'version-mismatch') this.#external = undefined;
  }

  /** The age of an adopted one is only known once it was asked. */
  noteUptime(seconds: number): void {
    if (this.#running) this.#running.since = new Date(Date.now() - seconds * 1000);
  }

  describe(): EnvoyStatus {
    if (this.#external) return { version: this.#external.version, adopted: false, since: this.#external.since.toISOString() };
    const version = this.#version;
    if (!this.#running) return { version, adopted: false };
    const { pid, adopted, since } = this.#running;
    return { version, pid, adopted, ...(since && { since: since.toISOString() }) };
  }
}
