import type { ConfigStatus, Status } from '../../controller/admin/status.ts';
import type { AdminView } from '../../controller/admin/view.ts';
import { type ConfigsOnNodes, reportConfigs } from '../../controller/config-statuses/config-reports.ts';
import type { Pipeline } from '../../controller/pipeline/pipeline.ts';
import { resourceTypeOf } from '../../controller/render.ts';
import type { Diagnostic } from '../../model/index.ts';
import type { ClientStatus, SnapshotCache, XdsServer } from '../../xds-server/serve/index.ts';
import type { SideTasks } from '../side-tasks.ts';
import { countSeverities } from '../text/diagnostics.ts';
import { formatSource, type Locate } from '../text/place.ts';

/** What a status says beyond what is the same wherever objects are compiled. */
export type RoleStatus = Pick<
  Status,
  'role' | 'notReady' | 'manifests' | 'entry' | 'envoy' | 'cluster' | 'enforcement' | 'slots' | 'flows'
>;

export interface ControlViewOptions {
  readonly about: Pick<Status, 'version' | 'pid' | 'since'>;
  readonly describeRole: (clients: readonly ClientStatus[]) => RoleStatus;
  /** What is known of what nodes have of configs; default: nothing is. */
  readonly configsOnNodes?: () => ConfigsOnNodes | undefined;
  readonly pipeline: Pipeline;
  readonly diagnostics: () => readonly Diagnostic[];
  /** What of this process could not begin. */
  readonly tasks: Pick<SideTasks, 'failing'>;
  /** How many configs are being tried. */
  readonly countTrials: () => number;
  readonly cache: SnapshotCache;
  readonly server: XdsServer;
  readonly countObjects: () => Status['objects'];
  readonly locate: Locate;
}

/** A process that compiles objects, as its admin endpoint shows it. */
export class ControlView implements AdminView {
  readonly #options: ControlViewOptions;

  constructor(options: ControlViewOptions) {
    this.#options = options;
  }

  status(): Status {
    const { about, describeRole, server, diagnostics, countTrials, countObjects, tasks } = this.#options;
    const failing = tasks.failing();
    const trying = countTrials();
    const clients = server.clients();
    const role = describeRole(clients);
    return {
      ...about,
      ready: role.notReady === undefined,
      ...role,
      ...(failing.length > 0 && { failing }),
      ...(trying > 0 && { trying }),
      objects: countObjects(),
      resources: this.#countResources(),
      clients: clients.map(describeClient),
      findings: countSeverities(diagnostics()),
      rejected: this.#rejected(clients),
    };
  }

  configs(): readonly ConfigStatus[] {
    const { pipeline, configsOnNodes } = this.#options;
    return reportConfigs(pipeline.configStates(), configsOnNodes?.());
  }

  diagnostics(): readonly Diagnostic[] {
    return this.#options.diagnostics();
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

export function describeClient({ nodeId, synced, types }: ClientStatus): Status['clients'][number] {
  return { node: nodeId, synced, resources: Object.fromEntries(types.map(({ typeUrl, accepted }) => [resourceTypeOf(typeUrl), accepted])) };
}
