import type { Status } from '../../controller/admin/status.ts';
import type { AdminView } from '../../controller/admin/view.ts';
import type { Controller } from '../../controller/controller.ts';
import type { Pipeline } from '../../controller/pipeline/pipeline.ts';
import { resourceTypeOf } from '../../controller/render.ts';
import type { ClientStatus, SnapshotCache, XdsServer } from '../../xds-server/serve/index.ts';
import { countSeverities } from '../text/diagnostics.ts';
import { formatSource, type Locate } from '../text/place.ts';
import type { EnvoyState } from './envoy-state.ts';

export interface RunViewOptions {
  readonly about: Pick<Status, 'version' | 'pid' | 'since' | 'manifests' | 'entry'>;
  readonly pipeline: Pipeline;
  readonly controller: Controller;
  readonly cache: SnapshotCache;
  readonly server: XdsServer;
  readonly envoy: EnvoyState;
  readonly countObjects: () => Status['objects'];
  readonly locate: Locate;
}

/** A run as its admin endpoint shows it. */
export class RunView implements AdminView {
  readonly #options: RunViewOptions;

  constructor(options: RunViewOptions) {
    this.#options = options;
  }

  status(): Status {
    const { about, envoy, server, controller, countObjects } = this.#options;
    const clients = server.clients();
    const notReady = this.#obstacle(clients);
    return {
      ...about,
      ready: notReady === undefined,
      ...(notReady !== undefined && { notReady }),
      envoy: envoy.describe(),
      objects: countObjects(),
      resources: this.#countResources(),
      clients: clients.map(describeClient),
      findings: countSeverities(controller.diagnostics()),
      rejected: this.#rejected(clients),
    };
  }

  diagnostics(): ReturnType<Controller['diagnostics']> {
    return this.#options.controller.diagnostics();
  }

  model(): ReturnType<AdminView['model']> {
    return { ...this.#options.pipeline.model };
  }

  *resources(): ReturnType<AdminView['resources']> {
    const { cache, pipeline } = this.#options;
    for (const typeUrl of cache.typeUrls()) {
      for (const { resource } of cache.ofType(typeUrl).values()) if (!pipeline.isSpare(resource)) yield resource;
    }
  }

  /** Why requests are not served as the manifests have it; undefined where they are. */
  #obstacle(clients: readonly ClientStatus[]): string | undefined {
    const { cache, envoy } = this.#options;
    if (!cache.isReady) return 'the manifests are not read yet';
    if (envoy.isLive && envoy.servesFirstSnapshot) return undefined;
    if (envoy.describe().pid === undefined) return 'Envoy does not run';
    const pending = clients.flatMap(({ types }) => types).reduce((sum, type) => sum + type.pending, 0);
    return pending > 0 ? `Envoy has ${pending} resources still to acknowledge` : 'Envoy is on its way';
  }

  #countResources(): Status['resources'] {
    const counts = new Map([...this.#options.cache.typeUrls()].map((typeUrl): [string, number] => [resourceTypeOf(typeUrl), 0]));
    for (const { typeUrl } of this.resources()) {
      const type = resourceTypeOf(typeUrl);
      counts.set(type, (counts.get(type) ?? 0) + 1);
    }
    return Object.fromEntries(counts);
  }

  #rejected(clients: readonly ClientStatus[]): Status['rejected'] {
    const { pipeline, locate } = this.#options;
    return clients.flatMap(({ types }) =>
      types.flatMap(({ typeUrl, rejected }) =>
        rejected.map(({ name, message }) => ({
          type: resourceTypeOf(typeUrl),
          name,
          message,
          sources: pipeline.sourcesOf({ typeUrl, name }).map((source) => formatSource(source, locate)),
        })),
      ),
    );
  }
}

function describeClient({ nodeId, synced, types }: ClientStatus): Status['clients'][number] {
  return { node: nodeId, synced, resources: Object.fromEntries(types.map(({ typeUrl, accepted }) => [resourceTypeOf(typeUrl), accepted])) };
}
