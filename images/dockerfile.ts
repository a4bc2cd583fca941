/** An instruction that changes the root, or what a container of it starts with. */
export type Step = { readonly line: number } & (
  | { readonly kind: 'run'; readonly command: string }
  | { readonly kind: 'copy'; readonly from: string | undefined; readonly sources: readonly string[]; readonly to: string }
  | { readonly kind: 'env'; readonly variables: Readonly<Record<string, string>> }
  | { readonly kind: 'workdir'; readonly path: string }
  | { readonly kind: 'user'; readonly user: string }
  | { readonly kind: 'entrypoint'; readonly command: readonly string[] }
);

export interface Stage {
  readonly name: string;
  /** `scratch`, an earlier stage, or an image. */
  readonly from: string;
  readonly line: number;
  readonly steps: readonly Step[];
}

export type DockerfileErrorCode = 'unknown-instruction' | 'invalid-instruction' | 'no-stage';

/** A Dockerfile that cannot be built here. */
export class DockerfileError extends Error {
  override readonly name = 'DockerfileError';
  readonly code: DockerfileErrorCode;
  /** From 1. */
  readonly line: number;

  constructor(code: DockerfileErrorCode, line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.code = code;
    this.line = line;
  }
}

interface Instruction {
  readonly name: string;
  readonly rest: string;
  readonly line: number;
}

/**
 * Reads the part of the language that `images/Dockerfile` uses. What it does not know is refused, never passed over.
 * @throws DockerfileError
 * @see https://docs.docker.com/reference/dockerfile/
 */
export function parseDockerfile(text: string): readonly Stage[] {
  const stages: (Stage & { readonly steps: Step[] })[] = [];
  for (const instruction of readInstructions(text)) {
    if (instruction.name === 'FROM') {
      stages.push({ ...parseFrom(instruction), line: instruction.line, steps: [] });
      continue;
    }
    const stage = stages.at(-1);
    if (stage === undefined) throw new DockerfileError('no-stage', instruction.line, `${instruction.name} before the first FROM`);
    stage.steps.push(parseStep(instruction));
  }
  return stages;
}

/** Instructions with their continued lines joined; comments stand between lines and are dropped, as the reference says. */
function readInstructions(text: string): Instruction[] {
  const instructions: Instruction[] = [];
  let pending: { line: number; text: string } | undefined;
  for (const [index, raw] of text.split('\n').entries()) {
    if (/^\s*(#|$)/.test(raw)) continue;
    const isContinued = /\\\s*$/.test(raw);
    const part = raw.replace(/\\\s*$/, '');
    pending = pending ? { ...pending, text: pending.text + part } : { line: index + 1, text: part };
    if (isContinued) continue;
    instructions.push(split(pending));
    pending = undefined;
  }
  if (pending) throw new DockerfileError('invalid-instruction', pending.line, 'it continues behind the end of the file');
  return instructions;
}

function split({ line, text }: { readonly line: number; readonly text: string }): Instruction {
  const [name = '', ...rest] = text.trim().split(/\s+/);
  if (rest.length === 0) throw new DockerfileError('invalid-instruction', line, `${name} says nothing`);
  return { name: name.toUpperCase(), rest: text.trim().slice(name.length).trim(), line };
}

function parseFrom({ rest, line }: Instruction): { readonly from: string; readonly name: string } {
  const match = /^(?<from>\S+)\s+AS\s+(?<name>[a-z][a-z0-9_.-]*)$/i.exec(rest)?.groups;
  if (!match?.['from'] || !match['name']) throw new DockerfileError('invalid-instruction', line, 'FROM is not "FROM IMAGE AS NAME"');
  return { from: match['from'], name: match['name'] };
}

function parseStep(instruction: Instruction): Step {
  const { name, rest, line } = instruction;
  switch (name) {
    case 'RUN':
      if (/^(--|\[|<<)/.test(rest)) throw new DockerfileError('invalid-instruction', line, 'RUN takes a shell command and no options');
      return { kind: 'run', command: rest, line };
    case 'COPY':
      return parseCopy(instruction);
    case 'ENV':
      return { kind: 'env', variables: parseVariables(instruction), line };
    case 'WORKDIR':
      if (!rest.startsWith('/')) throw new DockerfileError('invalid-instruction', line, 'WORKDIR is not absolute');
      return { kind: 'workdir', path: rest, line };
    case 'USER':
      if (!/^\d+:\d+$/.test(rest)) throw new DockerfileError('invalid-instruction', line, 'USER is not "UID:GID" in numbers');
      return { kind: 'user', user: rest, line };
    case 'ENTRYPOINT':
      return { kind: 'entrypoint', command: parseCommand(instruction), line };
    default:
      throw new DockerfileError('unknown-instruction', line, `${name} is not known`);
  }
}

function parseCopy({ rest, line }: Instruction): Step {
  const words = rest.split(/\s+/);
  const options = words.filter((word) => word.startsWith('--'));
  const paths = words.filter((word) => !word.startsWith('--'));
  const from = options[0]?.match(/^--from=(.+)$/)?.[1];
  if (options.length > 1 || (options.length === 1 && from === undefined)) {
    throw new DockerfileError('invalid-instruction', line, 'COPY takes no option but one --from');
  }
  const to = paths.pop();
  if (to === undefined || paths.length === 0) throw new DockerfileError('invalid-instruction', line, 'COPY needs a source and a target');
  return { kind: 'copy', from, sources: paths, to, line };
}

function parseVariables({ rest, line }: Instruction): Record<string, string> {
  const pairs = rest.split(/\s+/).map((word) => /^(?<name>\w+)=(?<value>[^"'$\\]*)$/.exec(word)?.groups);
  return Object.fromEntries(
    pairs.map((pair) => {
      if (!pair) throw new DockerfileError('invalid-instruction', line, 'ENV is not "NAME=VALUE", without quotes or variables');
      return [pair['name'] ?? '', pair['value'] ?? ''];
    }),
  );
}

function parseCommand({ name, rest, line }: Instruction): readonly string[] {
  const wrong = new DockerfileError('invalid-instruction', line, `${name} is not a JSON array of strings`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(rest);
  } catch {
    throw wrong;
  }
  if (!Array.isArray(parsed) || parsed.length === 0 || !parsed.every((part) => typeof part === 'string')) throw wrong;
  return parsed;
}
