import { Metrics } from '../../controller/admin/metrics.ts';
import type { ConfigsOnNodes } from '../../controller/config-statuses/config-reports.ts';
import { type ChangedEvent, type ConfigTrying, Controller, type ControllerEvent } from '../../controller/controller.ts';
import { Pipeline, type PipelineOptions } from '../../controller/pipeline/pipeline.ts';
import type { ObjectSource } from '../../kube/index.ts';
import { compareDiagnostics, type Diagnostic } from '../../model/index.ts';
import {
  type ClientStatus,
  NodeViews,
  type Outcome,
  type RpcServer,
  SnapshotCache,
  type Views,
  XdsServer,
} from '../../xds-server/serve/index.ts';
import type { Log } from '../log.ts';
import { SideTasks } from '../side-tasks.ts';
import type { Locate } from '../text/place.ts';
import { readVersions } from '../version.ts';
import { ChangeListeners, type TakenChange } from './change-listener.ts';
import { ChangeMetrics } from './change-metrics.ts';
import { ControlView, type RoleStatus } from './control-view.ts';
import { FindingsLog } from './findings.ts';
import { Narrator } from './narrator.ts';

/** Findings come in rows; they are compared with those before when a row is over … */
const FINDINGS_DELAY_MS = 50;
/** … and where there are very many, so rarely that comparing takes no more than this part of the time. */
const FINDINGS_SHARE = 0.05;

export interface ControlOptions {
  readonly source: ObjectSource;
  readonly pipeline: Omit<PipelineOptions, 'asOf' | 'onFailure' | 'triesConfigs'>;
  /** How configs are tried before they are served. Default: they are not. */
  readonly trying?: Omit<ConfigTrying, 'onUntried'>;
  /** Whether clients are nodes that are known by their certificates, and see what their node serves; else they see everything. */
  readonly servesNodes?: boolean;
  /** What nodes see, beside what they serve. Default: nothing. */
  readonly extendViews?: (views: Views, cache: SnapshotCache) => Views;
  /** Where clients connect to; default: an address of its own. */
  readonly rpc?: RpcServer;
  readonly log: Log;
  /** What this process' status says beyond its objects and clients. */
  readonly describeRole: (clients: readonly ClientStatus[]) => RoleStatus;
  /** How many objects there are, by kind, that the source gives to somebody else. Default: none. */
  readonly countOtherObjects?: () => Readonly<Record<string, number>>;
  /** What is known of what nodes have of configs; default: nothing is. */
  readonly configsOnNodes?: () => ConfigsOnNodes | undefined;
  /** Told first of what clients make of each resource. Whoever returns true tells what is wrong of it. */
  readonly takesOutcome?: (outcome: Outcome) => boolean;
  /** What else is wrong, beyond what the objects say. */
  readonly otherDiagnostics?: () => readonly Diagnostic[];
  /** What of all that is not to be told yet. */
  readonly holdsBack?: (diagnostic: Diagnostic) => boolean;
  /** Told after each published change, and when findings may have changed. */
  readonly onEvent?: (event: ControllerEvent) => void;
  /** Told all that is wrong, now and then, when it may have changed. */
  readonly onFindings?: (diagnostics: readonly Diagnostic[]) => void;
  /** Told when a client has answered everything up to a revision. */
  readonly onSynced?: (nodeId: string, revision: number) => void;
}

/** From objects to xDS clients, and the telling of it: what `sluice run` and `sluice controller` have in common. */
export class ControlParts {
  readonly cache = new SnapshotCache();
  /** Which node may see what of it; undefined where everybody sees everything. */
  readonly views: NodeViews | undefined;
  readonly pipeline: Pipeline;
  readonly controller: Controller;
  readonly server: XdsServer;
  readonly view: ControlView;
  readonly metrics: Metrics;
  /** What it does beside what it is there for. */
  readonly tasks: SideTasks;
  /** Told what becomes of changes of what Envoys are served. */
  readonly changes = new ChangeListeners();
  readonly #options: ControlOptions;
  readonly #locate: Locate;
  readonly #narrator: Narrator;
  readonly #findings = new FindingsLog();
  #findingsTimer: NodeJS.Timeout | undefined;
  #findingsDelayMs = FINDINGS_DELAY_MS;

  constructor(options: ControlOptions) {
    this.#options = options;
    const { source, log, describeRole, configsOnNodes, trying } = options;
    this.tasks = new SideTasks({ log });
    this.#locate = (object, path) => source.locate(object, path);
    this.pipeline = new Pipeline({
      ...options.pipeline,
      // What is read first may be what is served: nobody is to be without it, nor is a Service that its listener takes.
      triesConfigs: () => trying !== undefined && this.cache.isReady,
      asOf: new Date(),
      onFailure: (collection, key, error) => this.#tellMistake(`${collection} of ${key}`, error),
    });
    this.views = options.servesNodes ? new NodeViews(this.cache, 'nothing') : undefined;
    const views = this.views && { views: this.views };
    this.controller = new Controller({
      source,
      pipeline: this.pipeline,
      cache: this.cache,
      ...views,
      ...(trying && { trying: { ...trying, onUntried: (reason) => this.#tellUntried(reason) } }),
      onEvent: (event) => this.#onEvent(event),
    });
    const seen = this.views && { views: options.extendViews?.(this.views, this.cache) ?? this.views };
    this.server = new XdsServer({
      cache: this.cache,
      ...seen,
      ...(options.rpc && { rpc: options.rpc }),
      onOutcome: (outcome) => this.#onOutcome(outcome),
      onSynced: (nodeId, revision) => {
        this.#narrator.synced(nodeId, revision);
        this.changes.synced(nodeId, revision);
        options.onSynced?.(nodeId, revision);
      },
      onLeft: (nodeId) => {
        this.#narrator.left(nodeId);
        this.changes.left(nodeId);
      },
    });
    const connected = () => this.server.listening();
    this.#narrator = new Narrator({
      log,
      model: this.pipeline.model,
      locate: this.#locate,
      connected,
    });
    this.view = new ControlView({
      about: { version: readVersions().sluice, pid: process.pid, since: new Date().toISOString() },
      describeRole,
      ...(configsOnNodes && { configsOnNodes }),
      pipeline: this.pipeline,
      diagnostics: () => this.diagnostics(),
      tasks: this.tasks,
      countTrials: () => this.controller.trials,
      cache: this.cache,
      server: this.server,
      countObjects: () => ({ ...this.#narrator.countObjects(), ...options.countOtherObjects?.() }),
      locate: this.#locate,
    });
    this.metrics = new Metrics(this.view);
    this.changes.add(new ChangeMetrics({ metrics: this.metrics, changesFor: 'envoys', connected }));
  }

  /** All that is wrong at present, sorted. */
  diagnostics(): Diagnostic[] {
    const { otherDiagnostics, holdsBack } = this.#options;
    const all = [...this.controller.diagnostics(), ...(otherDiagnostics?.() ?? [])];
    return all.filter((diagnostic) => !holdsBack?.(diagnostic)).sort(compareDiagnostics);
  }

  /** Tells what is wrong and was not told yet, at once. */
  tellFindings(): void {
    clearTimeout(this.#findingsTimer);
    this.#findingsTimer = undefined;
    const startedAt = performance.now();
    const diagnostics = this.diagnostics();
    for (const entry of this.#findings.update(diagnostics, this.#locate)) this.#options.log(entry);
    this.#options.onFindings?.(diagnostics);
    this.#findingsDelayMs = Math.max(FINDINGS_DELAY_MS, (performance.now() - startedAt) / FINDINGS_SHARE);
  }

  /** Tells of a batch that somebody else has taken in, and what of it was published here. What is read first is no change. */
  notePublished(taken: Omit<TakenChange, 'revision'>): void {
    if (this.cache.isReady) this.changes.changed({ ...taken, revision: this.cache.revision });
  }

  /** Tells soon what is wrong, also of what somebody else than the controller has found. */
  noteFindings(): void {
    this.#findingsTimer ??= setTimeout(() => this.tellFindings(), this.#findingsDelayMs);
  }

  #onEvent(event: ControllerEvent): void {
    if (event.kind === 'changed') this.#onChanged(event);
    this.noteFindings();
    this.#options.onEvent?.(event);
  }

  #onChanged(event: ChangedEvent): void {
    this.#narrator.changed(event);
    this.changes.changed(event);
  }

  #onOutcome(outcome: Outcome): void {
    if (!this.#options.takesOutcome?.(outcome)) this.controller.onOutcome(outcome);
    this.metrics.noteOutcome(outcome);
  }

  #tellUntried(reason: string): void {
    this.#options.log({ level: 'warn', event: 'untried', text: `no Envoy could try a config, so it is served as it is: ${reason}` });
  }

  #tellMistake(what: string, error: unknown): void {
    const text = `a mistake in Sluice itself; ${what} stays as it was: ${error instanceof Error ? error.stack : String(error)}`;
    this.#options.log({ level: 'error', event: 'mistake', text });
  }
}
