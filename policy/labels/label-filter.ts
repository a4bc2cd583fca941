/**
 * What Cilium leaves out of identities, and what of that it takes in again: each a regular expression that must match from the start of
 * the key, one with `!` excludes.
 * @see https://docs.cilium.io/en/stable/operations/performance/scalability/identity-relevant-labels/
 */
export const DEFAULT_LABEL_FILTER: readonly string[] = [
  'reserved:.*',
  'io\\.kubernetes\\.pod\\.namespace',
  'io\\.cilium\\.k8s\\.namespace\\.labels',
  'io\\.cilium\\.k8s\\.policy\\.(cluster|serviceaccount)',
  'app\\.kubernetes\\.io',
  '!io\\.kubernetes',
  '!kubernetes\\.io',
  '!statefulset\\.kubernetes\\.io/pod-name',
  '!apps\\.kubernetes\\.io/pod-index',
  '!batch\\.kubernetes\\.io/job-completion-index',
  '!batch\\.kubernetes\\.io/controller-uid',
  '!.*beta\\.kubernetes\\.io',
  '!k8s\\.io',
  '!pod-template-generation',
  '!pod-template-hash',
  '!controller-revision-hash',
  '!controller-uid',
  '!annotation.*',
  '!etcd_node',
];

interface Expression {
  readonly excludes: boolean;
  readonly source: string | undefined;
  readonly pattern: RegExp;
}

const SOURCED = /^(!?)(?:(k8s|reserved|cidr|fqdn|unspec|any):)?(.*)$/s;

/** Says which labels of a pod make its identity. */
export class LabelFilter {
  readonly #expressions: readonly Expression[];
  /** Once something is taken in beyond the defaults, what no expression matches is left out. */
  readonly #onlyListed: boolean;
  readonly #known = new Map<string, boolean>();

  /**
   * @param extra expressions of the user, after the defaults: one without `!` makes everything that is not listed be left out
   * @throws {SyntaxError} of an expression that is none
   */
  constructor(extra: readonly string[] = []) {
    this.#expressions = [...DEFAULT_LABEL_FILTER, ...extra].map(parseExpression);
    this.#onlyListed = extra.some((expression) => !expression.startsWith('!'));
  }

  /** Of all expressions that match, the one with the longest match decides; of equally long ones the last. */
  includes(source: string, key: string): boolean {
    const name = `${source}:${key}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const decided = this.#decide(source, key);
    // Keys of labels are few, but users may put anything into them.
    if (this.#known.size >= 10_000) this.#known.clear();
    this.#known.set(name, decided);
    return decided;
  }

  #decide(source: string, key: string): boolean {
    let longest = -1;
    let included = !this.#onlyListed;
    for (const { excludes, source: wanted, pattern } of this.#expressions) {
      if (wanted !== undefined && wanted !== 'any' && wanted !== source) continue;
      const length = pattern.exec(key)?.[0].length;
      if (length === undefined || length < longest) continue;
      longest = length;
      included = !excludes;
    }
    return included;
  }
}

function parseExpression(text: string): Expression {
  const [, excludes, source, pattern = ''] = SOURCED.exec(text) ?? [];
  return { excludes: excludes === '!', source, pattern: new RegExp(`^(?:${pattern})`) };
}
