import type { HttpOptions, Listener } from '../../../model/index.ts';
import type { Resource } from '../../../xds-server/serve/index.ts';
import { translateListener } from '../../../xds-server/translate/listeners.ts';

const HTTP: HttpOptions = {
  proxyProtocol: false,
  useRemoteAddress: true,
  xffTrustedHops: 0,
  streamIdleTimeoutMs: 300_000,
  pathNormalization: 'full',
  headersWithUnderscores: 'allow',
  accessLog: 'off',
};

const PLAIN: Listener = { name: 'http', address: '::', port: 8080, plaintextTable: 'insecure', tlsChains: [], http: HTTP, sources: [] };
const SECURE: Listener = {
  name: 'https',
  address: '::',
  port: 8443,
  tlsChains: [
    { kind: 'terminate', name: 'shop', serverNames: ['shop.test'], certificate: 'default/shop', routeTable: 'secure', sources: [] },
    { kind: 'passthrough', name: 'sealed', serverName: 'sealed.test', cluster: 'default/sealed:443', sources: [] },
  ],
  http: HTTP,
  sources: [],
};

/** Of Ingresses, as they are served: one without TLS, and one that ends it for one name and passes it on for another. */
export const INGRESS_LISTENERS: readonly Resource[] = [PLAIN, SECURE].map((listener) => translateListener(listener, () => false));
