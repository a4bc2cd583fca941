import { resourceTypeOf } from '../../controller/render.ts';
import type { RelayEvent, StoreEvent } from '../../xds-server/relay/index.ts';
import type { LogEntry } from '../log.ts';

/** @param client who is served */
export function relayEntry(event: RelayEvent, client = 'Envoy'): LogEntry {
  switch (event.kind) {
    case 'connected':
      return {
        level: 'info',
        event: 'upstream',
        text: `connected to ${event.peer}${event.standby ? `, standing by until ${client} is up to date` : ''}`,
      };
    case 'disconnected':
      return {
        level: 'warn',
        event: 'upstream',
        text: `lost: ${event.message}; trying again in ${Math.round(event.retryMs)} ms, what was good is served`,
      };
    case 'refused':
      return {
        level: 'error',
        event: 'refused',
        text: `${client} refused ${resourceTypeOf(event.typeUrl)} ${event.name}: ${event.message}`,
      };
  }
}

export function storeEntry(event: StoreEvent): LogEntry {
  switch (event.kind) {
    case 'damaged':
      return {
        level: 'warn',
        event: 'store',
        text: `${event.parts} parts of what was stored cannot be read; the controller is asked for them`,
      };
    case 'failing':
      return { level: 'error', event: 'store', text: `what Envoy accepts cannot be stored: ${event.message}; trying again` };
    case 'recovered':
      return { level: 'info', event: 'store', text: 'everything is stored again' };
  }
}
