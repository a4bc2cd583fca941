import type { FlowAddress, NodeFlows, NodeIdentity } from '../../agent/index.ts';
import { XdsError } from '../../xds-server/serve/index.ts';
import type { Log } from '../log.ts';
import { unlessAborted } from '../stop-signals.ts';

export interface ForOthers extends Pick<FlowAddress, 'port' | 'clients'> {
  readonly flows: Pick<NodeFlows, 'listenForOthers'>;
  readonly identity: Pick<NodeIdentity, 'serving'>;
  /** Default: all of the node. */
  readonly host?: string;
  readonly log: Log;
}

/** Of both families, or of the one that a node without IPv6 has. */
const ALL_ADDRESSES = { both: '::', one: '0.0.0.0' };

/**
 * Tells others of a node's flows, once the node has a certificate for that.
 * @throws XdsError where it cannot listen, or IdentityError `closed`
 */
export async function tellOthers(
  { flows, identity, host = ALL_ADDRESSES.both, port, clients, log }: ForOthers,
  signal: AbortSignal,
): Promise<undefined> {
  const credentials = await unlessAborted(identity.serving(), signal);
  if (!credentials) return;
  const listen = (at: string) => flows.listenForOthers({ host: at, port, credentials, clients });
  const bound = await listen(host).catch((error: unknown) => {
    if (host === ALL_ADDRESSES.both && error instanceof XdsError && error.code === 'listen-failed') return listen(ALL_ADDRESSES.one);
    throw error;
  });
  log({ level: 'info', event: 'flows', text: `tells of flows on port ${bound}, by mutual TLS` });
}
