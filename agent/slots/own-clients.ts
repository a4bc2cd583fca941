import type { ClientNode } from '../../model/index.ts';
import { NODE_ENDPOINTS_TYPE, type ResourceName, type SnapshotCache } from '../../xds-server/serve/index.ts';
import { decodeNodeEndpoints } from '../enforcement/decode.ts';

/** This node as clients of Services are led on it, by what its enforcer is told. */
export class OwnClients {
  #node: ClientNode;

  constructor(name: string) {
    this.#node = { name };
  }

  get node(): ClientNode {
    return this.#node;
  }

  /** Learns what there is to know, now and with each change. @param onChange told when it is otherwise @returns how to stop it */
  follow(cache: Pick<SnapshotCache, 'get' | 'watch'>, onChange: () => void): () => void {
    const own: ResourceName = { typeUrl: NODE_ENDPOINTS_TYPE, name: this.#node.name };
    const learn = () => {
      const zone = zoneIn(cache, own);
      if (zone === this.#node.zone) return;
      this.#node = { name: own.name, ...(zone !== undefined && { zone }) };
      onChange();
    };
    learn();
    return cache.watch(({ names }) => {
      if (names.some(({ typeUrl, name }) => typeUrl === own.typeUrl && name === own.name)) learn();
    });
  }
}

/** What this version cannot read says nothing. */
function zoneIn(cache: Pick<SnapshotCache, 'get'>, name: ResourceName): string | undefined {
  const resource = cache.get(name);
  try {
    return resource && decodeNodeEndpoints(resource.name, resource.body).serviceClients?.zone;
  } catch {
    return undefined;
  }
}
