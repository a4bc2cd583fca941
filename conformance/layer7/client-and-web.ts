import { after, before } from 'node:test';
import type { HttpAsk, HttpOutcome } from './http-peer.ts';
import { type Manifest, SteeredLab, type SteeredLabOptions } from './steered-lab.ts';

/** A node with the pods `client` and `web`, of which the second serves HTTP and has a policy. */
export interface ClientAndWeb {
  readonly lab: SteeredLab;
  /** Asks `web` from `client`. */
  ask(ask: Omit<HttpAsk, 'to'>): Promise<HttpOutcome>;
}

/** Sets up such a node for the tests of a suite, and takes it away after them. @returns what has it once they run */
export function clientAndWeb(policy: Manifest, options: Pick<SteeredLabOptions, 'envoy' | 'onLine'> = {}): () => ClientAndWeb {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab | undefined;
  before(async () => {
    const pods = ['client', 'web'].map((name) => ({ name, labels: { app: name } }));
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', nodes: 1, pods, ...options }));
    await lab.peer('web').serve();
    await lab.set('web', [policy]);
  });
  after(() => cleanUp.disposeAsync());
  return () => {
    const steered = lab;
    if (!steered) throw new Error('no test runs');
    const to = steered.lab.pod('web').addresses.ipv4;
    return { lab: steered, ask: (ask) => steered.peer('client').ask({ to, ...ask }) };
  };
}
