import { createHash } from 'node:crypto';
import {
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { acquireLock } from '../setup/lock.mjs';
import { BuildContext } from './build-context.ts';
import { mirrorOf } from './debian-mirror.ts';
import { parseDockerfile, type Stage, type Step } from './dockerfile.ts';
import { EMPTY_CONFIG, type ImageConfig, ImageError, runInRoot, runTool } from './plain-root.ts';

const CHECKOUT = fileURLToPath(new URL('..', import.meta.url));
/** What `FROM` may name, beside stages, and the release of Debian that it is. */
const BASES: ReadonlyMap<string, string> = new Map([['debian:bookworm-slim', 'bookworm']]);
/** A base is made again after so long, so that it has the updates of its packages. */
const BASE_LASTS_MS = 7 * 24 * 3_600_000;
/** How many results of a stage are kept: another build may be copying from the last. */
const KEPT = 2;

export interface BuiltImage {
  /** The folder that is a container's root; it must not be written to. */
  readonly root: string;
  readonly config: ImageConfig;
}

export interface BuildOptions {
  /** Default: this checkout, which must be set up. */
  readonly checkout?: string;
  /** Is told of every step that is not cached. */
  readonly report?: (what: string) => void;
}

/**
 * Builds targets of `images/Dockerfile` without a container engine: its steps are run in a folder as root. A stage whose
 * instructions and files have not changed is taken from the cache, in `~/.cache/sluice/images`. Needs root and debootstrap.
 * @throws ImageError, DockerfileError
 */
export async function buildImages(targets: readonly string[], options: BuildOptions = {}): Promise<ReadonlyMap<string, BuiltImage>> {
  const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'sluice/images');
  mkdirSync(folder, { recursive: true });
  const report = options.report ?? (() => {});
  const lock = await acquireLock(join(folder, 'lock'), (pid: number) => report(`waiting for the build of process ${pid}`));
  try {
    const builder = new Builder(folder, options.checkout ?? CHECKOUT, report);
    const built = new Map<string, BuiltImage>();
    for (const target of targets) built.set(target, await builder.target(target));
    builder.forgetOld();
    return built;
  } finally {
    lock.release();
  }
}

interface Result extends BuiltImage {
  /** Of everything that went in. */
  readonly key: string;
}

class Builder {
  readonly #cache: string;
  readonly #context: BuildContext;
  readonly #stages: readonly Stage[];
  readonly #report: (what: string) => void;
  readonly #results = new Map<string, Promise<Result>>();
  readonly #digests = new Map<string, string>();

  constructor(cache: string, checkout: string, report: (what: string) => void) {
    this.#cache = cache;
    this.#context = new BuildContext(checkout);
    this.#stages = parseDockerfile(readFileSync(join(checkout, 'images/Dockerfile'), 'utf8'));
    this.#report = report;
  }

  target(name: string): Promise<Result> {
    const known = this.#results.get(name);
    if (known) return known;
    const result = this.#make(name);
    this.#results.set(name, result);
    return result;
  }

  /** Removes all but the last results of each stage. */
  forgetOld(): void {
    const byStage = Map.groupBy(readdirSync(this.#cache), (entry) => entry.replace(/-[0-9a-f]{64}(\.part)?$/, ''));
    byStage.delete('lock');
    for (const entries of byStage.values()) {
      const used = (entry: string) => statSync(join(this.#cache, entry)).mtimeMs;
      const old = entries.toSorted((a, b) => used(b) - used(a)).slice(KEPT);
      for (const entry of old) rmSync(join(this.#cache, entry), { recursive: true, force: true });
    }
  }

  async #make(name: string): Promise<Result> {
    const stage = this.#stages.find((one) => one.name === name);
    if (stage) return await this.#stage(stage);
    const release = BASES.get(name);
    if (release === undefined) throw new ImageError('unknown-image', `there is no stage or image ${name}`);
    const key = digest([release, Math.floor(Date.now() / BASE_LASTS_MS)]);
    return await this.#cached(`base-${release}`, key, name, async (root) => {
      await runTool('debootstrap', ['--variant=minbase', release, root, await mirrorOf(release)]);
      return EMPTY_CONFIG;
    });
  }

  async #stage(stage: Stage): Promise<Result> {
    const base = stage.from === 'scratch' ? undefined : await this.target(stage.from);
    const inputs: unknown[] = [base?.key];
    for (const step of stage.steps) inputs.push({ ...step, line: 0 }, ...(await this.#inputs(step)));
    return await this.#cached(stage.name, digest(inputs), stage.name, async (root) => {
      if (base) await runTool('cp', ['-a', '--reflink=auto', `${base.root}/.`, root]);
      let config = base?.config ?? EMPTY_CONFIG;
      for (const step of stage.steps) config = await this.#perform(step, root, config);
      return config;
    });
  }

  /** What a step depends on beside its own words. */
  async #inputs(step: Step): Promise<readonly string[]> {
    if (step.kind !== 'copy') return [];
    const { from, sources } = step;
    if (from !== undefined) return [(await this.target(from)).key];
    return sources.map((source) => this.#digestOf(source));
  }

  #digestOf(source: string): string {
    const digest = this.#digests.get(source) ?? this.#context.digest(source);
    this.#digests.set(source, digest);
    return digest;
  }

  async #perform(step: Step, root: string, config: ImageConfig): Promise<ImageConfig> {
    switch (step.kind) {
      case 'run':
        this.#report(`RUN ${step.command}`);
        await runInRoot(root, step.command, config);
        return config;
      case 'copy':
        await this.#copy(step, root, config);
        return config;
      case 'env':
        return { ...config, environment: { ...config.environment, ...step.variables } };
      case 'workdir':
        mkdirSync(join(root, step.path), { recursive: true });
        return { ...config, workingFolder: step.path };
      case 'user':
        return { ...config, user: step.user };
      case 'entrypoint':
        return { ...config, entrypoint: step.command };
    }
  }

  async #copy({ from, sources, to, line }: Extract<Step, { kind: 'copy' }>, root: string, config: ImageConfig): Promise<void> {
    const target = join(root, posix.resolve(config.workingFolder, to));
    mkdirSync(target, { recursive: true });
    for (const source of sources) {
      if (from === undefined) this.#copyFromContext(source, target);
      else {
        const folder = join((await this.target(from)).root, source);
        if (!existsSync(folder)) throw new ImageError('not-found', `line ${line}: stage ${from} has no ${source}`);
        await runTool('cp', ['-a', '--reflink=auto', `${folder}/.`, target]);
      }
    }
  }

  #copyFromContext(source: string, target: string): void {
    for (const file of this.#context.list(source)) {
      mkdirSync(dirname(join(target, file)), { recursive: true });
      copyEntry(join(this.#context.folder, file), join(target, file));
    }
  }

  async #cached(name: string, key: string, title: string, fill: (root: string) => Promise<ImageConfig>): Promise<Result> {
    const place = join(this.#cache, `${name}-${key}`);
    const root = join(place, 'root');
    const configFile = join(place, 'config.json');
    if (!existsSync(configFile)) {
      this.#report(`building ${title}`);
      const part = `${place}.part`;
      rmSync(part, { recursive: true, force: true });
      mkdirSync(join(part, 'root'), { recursive: true });
      writeFileSync(join(part, 'config.json'), JSON.stringify(await fill(join(part, 'root'))));
      rmSync(place, { recursive: true, force: true });
      renameSync(part, place);
    }
    utimesSync(place, new Date(), new Date());
    return { root, key, config: JSON.parse(readFileSync(configFile, 'utf8')) };
  }
}

/** A file or a link; that a link leads to a folder must not matter. */
function copyEntry(from: string, to: string): void {
  if (lstatSync(from).isSymbolicLink()) symlinkSync(readlinkSync(from), to);
  else copyFileSync(from, to, constants.COPYFILE_FICLONE);
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
