// Rules that the compiler and the linter do not know. Each function gives what is wrong, a line each.

const MAX_LINES = 500;
const CODE = /\.(ts|mts|mjs|js|c|h|go|sh|py)$/;
/** Names that say nothing of what is inside. */
const EMPTY_NAMES = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'misc']);

export interface SourceFile {
  readonly path: string;
  readonly text: () => string;
}

export function findLongFiles(files: readonly SourceFile[]): string[] {
  const problems: string[] = [];
  for (const { path, text } of files) {
    if (!CODE.test(path)) continue;
    const lines = text().split('\n').length - 1;
    if (lines > MAX_LINES) problems.push(`${path}: ${lines} lines, more than ${MAX_LINES}`);
  }
  return problems;
}

export function findForbiddenNames(paths: readonly string[]): string[] {
  const isEmpty = (segment: string) => EMPTY_NAMES.has(segment.replace(/\..*$/, '').toLowerCase());
  return paths.filter((path) => path.split('/').some(isEmpty)).map((path) => `${path}: name it after what is inside`);
}

export function findRegistryAddresses(lockFile: string): string[] {
  const problems: string[] = [];
  for (const [index, line] of lockFile.split('\n').entries()) {
    if (/"resolved": *"https?:/.test(line)) problems.push(`package-lock.json:${index + 1}: records where a package was downloaded from`);
  }
  return problems;
}

/** @param paths of committed files */
export function findCommittedGenerated(paths: readonly string[]): string[] {
  return paths.filter((path) => path.split('/').includes('gen')).map((path) => `${path}: generated, so not to be committed`);
}

/**
 * @param manifest of the workspace, package.json
 * @param reasons docs/dependencies.md, which names packages in backquotes
 */
export function findUnexplainedDependencies(manifest: Readonly<Record<string, unknown>>, reasons: string): string[] {
  const fields = [manifest['dependencies'], manifest['optionalDependencies'], manifest['devDependencies']];
  const names = fields.flatMap((field) => Object.keys(field ?? {}));
  return names.filter((name) => !reasons.includes(`\`${name}\``)).map((name) => `${name}: docs/dependencies.md does not say what for`);
}
