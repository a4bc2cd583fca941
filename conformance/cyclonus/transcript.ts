/** A case that cyclonus generates. */
export interface GeneratedCase {
  /** From 1. */
  readonly number: number;
  /** Of most cases only their tags. */
  readonly description: string;
  readonly tags: readonly string[];
}

/** Of how many pairs of pods all connections were as they should be after one change. */
export interface StepResult {
  readonly wrong: number;
  readonly ignored: number;
  readonly correct: number;
  /** Cyclonus probes everything once more where anything was wrong; the last try counts. */
  readonly tries: number;
}

export interface CaseResult extends GeneratedCase {
  readonly steps: readonly StepResult[];
  readonly milliseconds: number;
  /** What cyclonus says of a step that was wrong: policies, and tables of what was expected and found. */
  readonly discrepancy?: string;
}

export function hasPassed({ steps }: CaseResult): boolean {
  return steps.length > 0 && steps.every(({ wrong, correct }) => wrong === 0 && correct > 0);
}

/** `action, create-pod`, after the description where there is another. */
export function titleOf({ description, tags }: GeneratedCase): string {
  return description === '' || description === tags.join(',') ? tags.join(', ') : `${description} (${tags.join(', ')})`;
}

interface Running {
  readonly case: GeneratedCase;
  readonly since: number;
  readonly lines: string[];
  readonly tries: number[];
  readonly steps: StepResult[];
}

/**
 * Reads what `cyclonus generate` writes, line by line: first the cases, then the results of each as soon as they are there.
 * https://github.com/mattfenwick/cyclonus/blob/v0.5.6/pkg/connectivity/printer.go
 */
export class Transcript {
  readonly cases: GeneratedCase[] = [];
  readonly results: CaseResult[] = [];
  readonly #onResult: (result: CaseResult) => void;
  readonly #now: () => number;
  #running: Running | undefined;

  /** @param now milliseconds, of a clock that only rises */
  constructor(onResult: (result: CaseResult) => void = () => {}, now: () => number = () => performance.now()) {
    this.#onResult = onResult;
    this.#now = now;
  }

  addLine(line: string): void {
    const started = /^starting test case #(\d+)$/.exec(line);
    if (started) this.#begin(Number(started[1]));
    else if (/^finished policy #\d+$/.test(line)) this.#end();
    else if (this.#running === undefined) this.#addCase(line);
    else addToCase(this.#running, line);
  }

  #addCase(line: string): void {
    const named = /^test #(\d+): (.*)$/.exec(line);
    if (named) this.cases.push({ number: Number(named[1]), description: named[2] ?? '', tags: [] });
    const tags = /^ - tags: (.*)$/.exec(line)?.[1];
    const last = this.cases.at(-1);
    if (tags !== undefined && last !== undefined) this.cases[this.cases.length - 1] = { ...last, tags: tags.split(', ') };
  }

  #begin(number: number): void {
    const found = this.cases.find((generated) => generated.number === number);
    if (found === undefined) throw new Error(`cyclonus has not said what test case #${number} is`);
    this.#running = { case: found, since: this.#now(), lines: [], tries: [], steps: [] };
  }

  #end(): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    const isWrong = running.steps.some(({ wrong }) => wrong > 0);
    const result: CaseResult = {
      ...running.case,
      steps: running.steps,
      milliseconds: Math.round(this.#now() - running.since),
      ...(isWrong && { discrepancy: running.lines.join('\n') }),
    };
    this.results.push(result);
    this.#onResult(result);
  }
}

function addToCase(running: Running, line: string): void {
  running.lines.push(line);
  const tried = /running kube probe on try (\d+)/.exec(line)?.[1];
  if (tried === '1') running.tries.push(1);
  else if (tried !== undefined) running.tries[running.tries.length - 1] = Number(tried);
  const counts = /(\d+) wrong, (\d+) ignored, (\d+) correct$/.exec(line);
  if (counts === null) return;
  const [wrong = 0, ignored = 0, correct = 0] = counts.slice(1).map(Number);
  running.steps.push({ wrong, ignored, correct, tries: running.tries[running.steps.length] ?? 1 });
}
