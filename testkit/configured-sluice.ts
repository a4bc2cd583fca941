import { type Json, PORTS_ALLOWED } from './envoy-config-manifests.ts';
import { type Answer, type RequestOptions, requestHttp1 } from './http-request.ts';
import type { ManifestObject } from './manifest-objects.ts';
import { freePort } from './ports.ts';
import { RunningSluice } from './running-sluice.ts';

type RequestParts = Omit<RequestOptions, 'port' | 'path' | 'host'>;

/** A {@link RunningSluice} of CiliumEnvoyConfigs, whose listeners have ports of their own. */
export class ConfiguredSluice extends RunningSluice {
  constructor({ envoyConfig = {}, ...settings }: Readonly<Record<string, Json>> = {}) {
    super({ settings: { ...settings, envoyConfig: { ...PORTS_ALLOWED.envoyConfig, ...envoyConfig } } });
  }

  /**
   * Writes what is made for a port, and waits until it is served.
   * @param port default: one that is free
   */
  async serve(file: string, make: (port: number) => ManifestObject, port?: number): Promise<number> {
    const taken = port ?? (await freePort());
    this.write(`${file}.yaml`, make(taken));
    await this.settled();
    return taken;
  }
}

/** A request to a config's port. */
export async function ask(port: number, path = '/', more: RequestParts = {}): Promise<Answer> {
  return await requestHttp1({ port, host: 'config.test', path, ...more });
}

/** Who answers: the name of a backend, else the status. */
export async function whoAnswersAt(port: number, path = '/', more: RequestParts = {}): Promise<string> {
  const { backend, status } = await ask(port, path, more);
  return backend ?? String(status);
}

/** How often each of them answered so many requests, one after another. */
export async function sharesOf(count: number, ask: () => Promise<string>): Promise<Readonly<Record<string, number>>> {
  const shares: Record<string, number> = {};
  for (let index = 0; index < count; index += 1) {
    const who = await ask();
    shares[who] = (shares[who] ?? 0) + 1;
  }
  return shares;
}
