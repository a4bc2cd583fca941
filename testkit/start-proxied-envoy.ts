import { ProxiedEnvoy } from './proxied-envoy.ts';

/**
 * A process to be killed: it runs a {@link ProxiedEnvoy} until then, and sends every event to who forked it.
 *
 *     fork('start-proxied-envoy.ts', [statePath, listenPort, backendPort])
 */
const [statePath = '', listenPort, backendPort] = process.argv.slice(2);
await ProxiedEnvoy.start({
  statePath,
  listenPort: Number(listenPort),
  backendPort: Number(backendPort),
  onEvent: (event) => process.send?.(event),
});
