import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildBootstrap, type EnvoyEvent, EnvoyProcess, type StateFolder } from '../../agent/index.ts';
import { Metrics } from '../../controller/admin/metrics.ts';
import { type ChangedEvent, Controller, type ControllerEvent } from '../../controller/controller.ts';
import { Pipeline } from '../../controller/pipeline/pipeline.ts';
import { resourceTypeOf } from '../../controller/render.ts';
import { FolderSource } from '../../kube/index.ts';
import type { Settings } from '../../settings/index.ts';
import { type Outcome, SnapshotCache, XdsServer } from '../../xds-server/serve/index.ts';
import type { Locate } from '../text/place.ts';
import { readVersions } from '../version.ts';
import { envoyEntry } from './envoy-events.ts';
import { EnvoyState } from './envoy-state.ts';
import { FindingsLog } from './findings.ts';
import { Narrator } from './narrator.ts';
import type { RunOptions } from './run.ts';
import { RunView } from './run-view.ts';

/** Findings come in rows; they are compared with those before when a row is over … */
const FINDINGS_DELAY_MS = 50;
/** … and where there are very many, so rarely that comparing takes no more than this part of the time. */
const FINDINGS_SHARE = 0.05;
/** How Envoy names the group that it belongs to. */
const ENVOY_CLUSTER = 'sluice';
const SET_UP_ENVOY = fileURLToPath(new URL('../../.setup/envoy', import.meta.url));

/** Everything that a run consists of, joined together and at rest. */
export class RunParts {
  readonly nodeId = hostname();
  readonly cache = new SnapshotCache();
  readonly controller: Controller;
  readonly server: XdsServer;
  readonly envoy: EnvoyProcess;
  readonly envoyState: EnvoyState;
  readonly view: RunView;
  readonly metrics: Metrics;
  readonly #options: RunOptions;
  readonly #locate: Locate;
  readonly #narrator: Narrator;
  readonly #findings = new FindingsLog();
  #findingsTimer: NodeJS.Timeout | undefined;
  #findingsDelayMs = FINDINGS_DELAY_MS;

  constructor(options: RunOptions, state: StateFolder) {
    this.#options = options;
    const { log, settings, address, httpPort, httpsPort, adminPort, manifests } = options;
    const versions = readVersions();
    const source = new FolderSource(manifests);
    this.#locate = (object, path) => source.locate(object, path);
    const pipeline = new Pipeline({
      settings,
      ports: { address, http: httpPort, https: httpsPort, reserved: [adminPort] },
      asOf: new Date(),
      onFailure: (collection, key, error) => this.#tellMistake(`${collection} of ${key}`, error),
    });
    this.controller = new Controller({ source, pipeline, cache: this.cache, onEvent: (event) => this.#onEvent(event) });
    this.server = new XdsServer({
      cache: this.cache,
      onOutcome: (outcome) => this.#onOutcome(outcome),
      onSynced: (_, revision) => this.#narrator.synced(revision),
    });
    this.#narrator = new Narrator({
      log,
      model: pipeline.model,
      locate: this.#locate,
      onInForce: (milliseconds) => this.metrics.propagated(milliseconds),
    });
    this.envoyState = new EnvoyState(versions.envoy);
    this.envoy = createEnvoy(state, settings.envoy, {
      nodeId: this.nodeId,
      version: versions.envoy,
      onEvent: (event) => this.#onEnvoyEvent(event),
    });
    this.view = new RunView({
      about: {
        version: versions.sluice,
        pid: process.pid,
        since: new Date().toISOString(),
        manifests: resolve(manifests),
        entry: { address, httpPort, httpsPort },
      },
      pipeline,
      controller: this.controller,
      cache: this.cache,
      server: this.server,
      envoy: this.envoyState,
      countObjects: () => this.#narrator.countObjects(),
      locate: this.#locate,
    });
    this.metrics = new Metrics(this.view);
  }

  /** Tells what is wrong and was not told yet, at once. */
  tellFindings(): void {
    clearTimeout(this.#findingsTimer);
    this.#findingsTimer = undefined;
    const startedAt = performance.now();
    for (const entry of this.#findings.update(this.controller.diagnostics(), this.#locate)) this.#options.log(entry);
    this.#findingsDelayMs = Math.max(FINDINGS_DELAY_MS, (performance.now() - startedAt) / FINDINGS_SHARE);
  }

  #onEvent(event: ControllerEvent): void {
    if (event.kind === 'changed') this.#onChanged(event);
    this.#findingsTimer ??= setTimeout(() => this.tellFindings(), this.#findingsDelayMs);
  }

  #onChanged(event: ChangedEvent): void {
    this.metrics.stage('read', event.timing.readMs);
    this.metrics.stage('ingest', event.timing.ingestMs);
    this.metrics.stage('translate', event.timing.translateMs);
    this.metrics.stage('publish', event.timing.publishMs);
    this.#narrator.changed(event);
  }

  #onOutcome(outcome: Outcome): void {
    this.controller.onOutcome(outcome);
    const type = resourceTypeOf(outcome.typeUrl);
    if (outcome.outcome === 'ack') this.metrics.acknowledged(type);
    else if (outcome.outcome === 'nack') this.metrics.rejected(type);
  }

  #onEnvoyEvent(event: EnvoyEvent): void {
    this.envoyState.note(event);
    this.#options.log(envoyEntry(event));
  }

  #tellMistake(what: string, error: unknown): void {
    const text = `a mistake in Sluice itself; ${what} stays as it was: ${error instanceof Error ? error.stack : String(error)}`;
    this.#options.log({ level: 'error', event: 'mistake', text });
  }
}

interface EnvoyAbout {
  readonly nodeId: string;
  readonly version: string;
  readonly onEvent: (event: EnvoyEvent) => void;
}

function createEnvoy(state: StateFolder, settings: Settings['envoy'], { nodeId, version, onEvent }: EnvoyAbout): EnvoyProcess {
  const { xdsSocket, adminSocket } = state;
  return new EnvoyProcess({
    binary: process.env['SLUICE_ENVOY'] || SET_UP_ENVOY,
    version,
    state,
    bootstrap: buildBootstrap({ nodeId, cluster: ENVOY_CLUSTER, xdsSocket, adminSocket, settings }),
    settings,
    onEvent,
  });
}
