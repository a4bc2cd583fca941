import { setImmediate as nextTurn } from 'node:timers/promises';
import { Counter, type Registry } from 'prom-client';
import { SharedText } from './shared-text.ts';

/** Part of the text, or what is to be looked at before there is any. */
export interface MetricsSource {
  /** By which it is known where it fails. */
  readonly name: string;
  readonly read: () => string | Promise<string>;
}

const FAILURES = 'sluice_metrics_failures_total';

/**
 * What a registry and other sources measure, in the text format of Prometheus. What fails is left out and counted, and the rest told without. All who
 * ask at the same time share one text, so that they take no more of this process, and of whom it asks, than one does.
 */
export class MetricsText {
  readonly #registry: Registry;
  readonly #sources: MetricsSource[] = [];
  readonly #failures: Counter<'source'>;
  readonly #text = new SharedText(() => this.#readAll());

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#failures = new Counter({
      name: FAILURES,
      help: 'How often something could not be measured when somebody asked, by what',
      labelNames: ['source'],
      registers: [registry],
    });
  }

  /** Sources are asked before the registry, whenever somebody asks. */
  add(source: MetricsSource): void {
    this.#failures.inc({ source: source.name }, 0);
    this.#sources.push(source);
  }

  async read(): Promise<string> {
    return await this.#text.get();
  }

  async #readAll(): Promise<string> {
    const texts = await Promise.all(this.#sources.map((source) => this.#try(source)));
    const names = this.#registry.getMetricsAsArray().map(({ name }) => name);
    for (const name of names.filter((each) => each !== FAILURES)) {
      texts.push(await this.#try({ name, read: async () => `${await this.#registry.getSingleMetricAsString(name)}\n` }));
      // One may have thousands of series.
      await nextTurn();
    }
    texts.push(`${await this.#registry.getSingleMetricAsString(FAILURES)}\n`);
    return texts.join('');
  }

  async #try({ name, read }: MetricsSource): Promise<string> {
    try {
      return await read();
    } catch {
      this.#failures.inc({ source: name });
      return '';
    }
  }
}
