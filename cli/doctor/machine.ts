import { type CheckResult, failed, ok, warning } from './check.ts';

/** The oldest kernel that the coming datapath is made for. */
const KERNEL = [5, 10] as const;
const MIN_OPEN_FILES = 65_536;
const MIN_INOTIFY_WATCHES = 8_192;
const MIN_INOTIFY_INSTANCES = 128;
const MIN_MEMORY_MB = 512;

/** What of a machine is looked at. */
export interface MachineFacts {
  /** Such as `6.1.0-18-amd64`. */
  readonly kernelRelease: string;
  readonly memoryMb: number;
  /** The content of a file; undefined where it cannot be read. */
  readonly read: (path: string) => string | undefined;
  readonly exists: (path: string) => boolean;
}

/** Kernel, features and limits of the machine that this runs on. */
export function checkMachine(facts: MachineFacts): readonly CheckResult[] {
  return [
    checkKernel(facts.kernelRelease),
    checkFeature(facts, 'btf', '/sys/kernel/btf/vmlinux', 'a kernel built with CONFIG_DEBUG_INFO_BTF'),
    checkBpfFileSystem(facts.read('/proc/self/mounts') ?? ''),
    checkOpenFiles(facts.read('/proc/self/limits') ?? ''),
    checkInotify(facts),
    checkMemory(facts),
  ];
}

export function checkKernel(release: string): CheckResult {
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  const isOld = major < KERNEL[0] || (major === KERNEL[0] && minor < KERNEL[1]);
  const todo = `Ingress works; network policy will need Linux ${KERNEL.join('.')} or newer`;
  return isOld ? warning('kernel', `Linux ${release}`, todo) : ok('kernel', `Linux ${release}`);
}

function checkFeature({ exists }: MachineFacts, name: string, path: string, what: string): CheckResult {
  return exists(path) ? ok(name, `${path} is there`) : warning(name, `no ${path}`, `Ingress works; network policy will need ${what}`);
}

export function checkBpfFileSystem(mounts: string): CheckResult {
  const place = mounts
    .split('\n')
    .map((line) => line.split(' '))
    .find((fields) => fields[2] === 'bpf')?.[1];
  if (place !== undefined) return ok('bpf-file-system', `mounted at ${place}`);
  return warning('bpf-file-system', 'not mounted', 'Ingress works; network policy will need: mount -t bpf bpf /sys/fs/bpf');
}

export function checkOpenFiles(limits: string): CheckResult {
  const [soft = '?', hard = '?'] = /^Max open files +(\S+) +(\S+)/m.exec(limits)?.slice(1) ?? [];
  const found = `limit of open files ${soft}, at most ${hard}`;
  const isLow = hard !== 'unlimited' && !(Number(hard) >= MIN_OPEN_FILES);
  return isLow
    ? warning('open-files', found, `allow ${MIN_OPEN_FILES} or more: every connection through Envoy is one or two`)
    : ok('open-files', found);
}

function checkInotify({ read }: MachineFacts): CheckResult {
  const [watches, instances] = ['max_user_watches', 'max_user_instances'].map((name) => Number(read(`/proc/sys/fs/inotify/${name}`)));
  const found = `inotify allows a user ${watches} watches, ${instances} instances`;
  if ((watches ?? 0) >= MIN_INOTIFY_WATCHES && (instances ?? 0) >= MIN_INOTIFY_INSTANCES) return ok('inotify', found);
  const settings = `fs.inotify.max_user_watches=${MIN_INOTIFY_WATCHES} fs.inotify.max_user_instances=${MIN_INOTIFY_INSTANCES}`;
  return warning('inotify', found, `folders of manifests and mounted settings are watched: sysctl -w ${settings}`);
}

function checkMemory({ memoryMb }: MachineFacts): CheckResult {
  const found = `${Math.round(memoryMb)} MB`;
  return memoryMb >= MIN_MEMORY_MB
    ? ok('memory', found)
    : warning('memory', found, `agent and Envoy together want ${MIN_MEMORY_MB} MB and more`);
}

/** @param version what the binary said of itself, or why it cannot be asked */
export function checkEnvoy(binary: string, wanted: string, version: { readonly is: string } | { readonly problem: string }): CheckResult {
  if ('problem' in version)
    return failed('envoy', version.problem, `set up this checkout (npm run setup), or name Envoy ${wanted} in SLUICE_ENVOY`);
  if (version.is === wanted) return ok('envoy', `${binary} is Envoy ${version.is}`);
  return failed('envoy', `${binary} is Envoy ${version.is}`, `this Sluice is made for Envoy ${wanted}`);
}
