import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export type ImageErrorCode =
  /** A command in the root, or one that prepares it, ended with another status than 0. */
  | 'command-failed'
  /** What is to be copied is not there. */
  | 'not-found'
  /** The package manager of this machine names no mirror of the release. */
  | 'no-mirror'
  /** An image, stage or target that is not known. */
  | 'unknown-image';

export class ImageError extends Error {
  override readonly name = 'ImageError';
  readonly code: ImageErrorCode;

  constructor(code: ImageErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a container of an image is started with. */
export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingFolder: string;
  /** `UID:GID` in numbers. */
  readonly user: string;
}

export const EMPTY_CONFIG: ImageConfig = { entrypoint: [], environment: {}, workingFolder: '/', user: '0:0' };

/** Mounts only where the command sees them, and gone with it; the root is left by `chroot`. */
const ENTER = `set -eu
mount -t proc proc "$ROOT/proc"
exec chroot --userspec="$RUN_AS" "$ROOT" /bin/sh -c 'cd "$0" && exec /bin/sh -c "$1"' "$FOLDER" "$COMMAND"`;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const PROXIES = ['http_proxy', 'https_proxy', 'no_proxy'];

/**
 * Runs a shell command in a root, in mount and process namespaces of its own and with this machine's network.
 * @throws ImageError `command-failed`
 */
export async function runInRoot(root: string, command: string, config: ImageConfig): Promise<void> {
  mkdirSync(join(root, 'proc'), { recursive: true });
  if (existsSync(join(root, 'etc'))) cpSync('/etc/resolv.conf', join(root, 'etc/resolv.conf'), { dereference: true });
  const proxies = PROXIES.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  await runTool('unshare', ['--mount', '--pid', '--fork', '--kill-child', '/bin/sh', '-c', ENTER], {
    PATH,
    DEBIAN_FRONTEND: 'noninteractive',
    ...Object.fromEntries(proxies),
    ...config.environment,
    ...{ ROOT: root, RUN_AS: config.user, FOLDER: config.workingFolder, COMMAND: command },
  });
}

/** @throws ImageError `command-failed` with the end of what the command said */
export async function runTool(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [[code], stdout, stderr] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
  if (code === 0) return;
  const said = `${stdout}${stderr}`.trimEnd().split('\n').slice(-20).join('\n');
  throw new ImageError('command-failed', `${command} ended with status ${code}:\n${said}`);
}
