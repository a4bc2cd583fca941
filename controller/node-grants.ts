import type { Grant, NodeViews } from '../xds-server/serve/index.ts';
import type { ResourceChange } from '../xds-server/serve/resource.ts';
import type { Pipeline } from './pipeline/pipeline.ts';

/** How long a node that comes has to take its configuration in before requests are sent to it. */
const PREPARING_MS = 3_000;
/** How long a node that goes keeps what it has, while those who send requests to it learn of it. */
const LEAVING_MS = 5_000;

export interface NodeGrantsOptions {
  readonly pipeline: Pick<Pipeline, 'takeNodes' | 'prepare'>;
  readonly views: NodeViews;
  /** Told of what a node that is ready now changes. */
  readonly onChange: (change: ResourceChange) => void;
  readonly preparingMs?: number;
  readonly leavingMs?: number;
}

/**
 * Lets each node see what it serves, and nothing otherwise. No request fails when that changes: a node has its configuration before requests
 * are sent to it, and keeps it until none are.
 */
export class NodeGrants {
  readonly #options: NodeGrantsOptions;
  /** Those that see everything; undefined before the first update. */
  #granted: 'all' | ReadonlySet<string> | undefined;
  readonly #preparing = new Map<string, NodeJS.Timeout>();
  readonly #leaving = new Map<string, NodeJS.Timeout>();

  constructor(options: NodeGrantsOptions) {
    this.#options = options;
  }

  /** To be called when what the pipeline made is published, so that no node is given it that is not to have it. */
  update(): void {
    const now = this.#options.pipeline.takeNodes();
    if (now === undefined) return;
    const { serving, known } = now;
    const before = this.#granted;
    const sees = (node: string) => before === 'all' || before?.has(node) === true || this.#leaving.has(node);
    const isWanted = (node: string) => serving === 'all' || serving.has(node);
    const named = new Set([...known, ...(typeof before === 'object' ? before : [])]);
    const coming = before === undefined ? [] : [...named].filter((node) => isWanted(node) && !sees(node));
    const going = before === undefined ? [] : [...named].filter((node) => !isWanted(node) && sees(node) && !this.#leaving.has(node));
    this.#granted = serving;
    for (const node of [...this.#leaving.keys()].filter(isWanted)) this.#stop(this.#leaving, node);
    for (const node of going)
      this.#leaving.set(
        node,
        setTimeout(() => this.#left(node), this.#options.leavingMs ?? LEAVING_MS),
      );
    this.#grant(named);
    this.#prepare(
      coming,
      [...this.#preparing.keys()].filter((node) => !isWanted(node)),
    );
  }

  /** Stops all clocks; what nodes see stays as it is. */
  close(): void {
    for (const timers of [this.#preparing, this.#leaving]) for (const node of [...timers.keys()]) this.#stop(timers, node);
  }

  #grant(named: Iterable<string>): void {
    const serving = this.#granted;
    if (serving === 'all') {
      this.#options.views.grant(new Map([...named].map((node) => [node, undefined])), 'everything');
      return;
    }
    const grants = new Map<string, Grant | undefined>();
    for (const node of named) grants.set(node, undefined);
    for (const node of [...(serving ?? []), ...this.#leaving.keys()]) grants.set(node, 'everything');
    this.#options.views.grant(grants, 'nothing');
  }

  #left(node: string): void {
    this.#leaving.delete(node);
    this.#options.views.grant(new Map([[node, undefined]]));
  }

  #prepare(coming: readonly string[], going: readonly string[]): void {
    if (coming.length + going.length === 0) return;
    for (const node of going) this.#stop(this.#preparing, node);
    for (const node of coming)
      this.#preparing.set(
        node,
        setTimeout(() => this.#prepared(node), this.#options.preparingMs ?? PREPARING_MS),
      );
    this.#options.onChange(this.#options.pipeline.prepare(new Set(this.#preparing.keys())));
  }

  #prepared(node: string): void {
    this.#preparing.delete(node);
    this.#options.onChange(this.#options.pipeline.prepare(new Set(this.#preparing.keys())));
  }

  #stop(timers: Map<string, NodeJS.Timeout>, node: string): void {
    clearTimeout(timers.get(node));
    timers.delete(node);
  }
}
