import { existsSync, readFileSync } from 'node:fs';
import { isOnPath, runCommand } from '../commands.mjs';
import { SetupError } from '../errors.mjs';
import { needsDownload } from './envoy.mjs';

const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'darwin-x64'];

/** What compiles eBPF programs, which is done on Linux only: commands and files, and the Debian package of each. */
const COMPILER = {
  clang: 'clang',
  '/usr/include/linux/bpf.h': 'linux-libc-dev',
  '/usr/include/bpf/bpf_helpers.h': 'libbpf-dev',
};

/** Commands and files that only some tasks need, by the name to give to `--with`, and the Debian package of each. */
export const EXTRAS = {
  bench: { wrk: 'wrk', h2load: 'nghttp2-client' },
  // Of it there is only the programs, see prometheus.mjs.
  prometheus: {},
  netns: { ip: 'iproute2', nft: 'nftables', nsenter: 'util-linux' },
  lab: {
    ip: 'iproute2',
    nft: 'nftables',
    nsenter: 'util-linux',
    conntrack: 'conntrack',
    curl: 'curl',
    debootstrap: 'debootstrap',
    'nc.openbsd': 'netcat-openbsd',
  },
};

/**
 * Checks what the other steps need of the machine. What is missing is installed when this is Debian or Ubuntu and the user is root;
 * otherwise the error says by which command to install it.
 * @param {import('../setup.mjs').Setup} setup
 * @param {(phase: string) => void} report
 * @returns {Promise<import('../progress.mjs').Outcome>}
 */
export async function checkSystem(setup, report) {
  const platform = `${process.platform}-${process.arch}`;
  if (!PLATFORMS.includes(platform)) {
    throw new SetupError('system', `${platform} is not supported; these are: ${PLATFORMS.join(', ')}`);
  }
  const missing = await missingPackages(setup);
  if (missing.length === 0) return { changed: false, detail: `${platform}, Node ${process.versions.node}` };
  if (!isDebian() || process.getuid?.() !== 0) {
    throw new SetupError('system', `${missing.join(', ')} missing; ${howToInstall(missing)}`);
  }
  report(`installing ${missing.join(' ')}`);
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  await runCommand('apt-get', ['update', '-q'], options);
  await runCommand('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...missing], options);
  const still = await missingPackages(setup);
  if (still.length > 0) throw new SetupError('system', `${still.join(', ')} installed, yet not found`);
  return { changed: true };
}

async function missingPackages(setup) {
  const missing = isOnPath('npm') ? [] : ['npm'];
  if (needsDownload(setup)) {
    if (!isOnPath('python3')) missing.push('python3', 'python3-pip');
    else if (!(await hasPip())) missing.push('python3-pip');
  }
  const tools = [...(process.platform === 'linux' ? [COMPILER] : []), ...setup.extras.map((extra) => EXTRAS[extra])];
  for (const [needed, debianPackage] of tools.flatMap(Object.entries)) if (!isThere(needed)) missing.push(debianPackage);
  return missing;
}

/** @param {string} needed a command, or the path of a file */
function isThere(needed) {
  return needed.startsWith('/') ? existsSync(needed) : isOnPath(needed);
}

async function hasPip() {
  try {
    await runCommand('python3', ['-m', 'pip', '--version']);
    return true;
  } catch (error) {
    if (error instanceof SetupError) return false;
    throw error;
  }
}

function isDebian() {
  if (!isOnPath('apt-get')) return false;
  try {
    return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

/** Packages are named as Debian names them; elsewhere the names are close enough to find them by. */
function howToInstall(packages) {
  if (isDebian()) return `install with: sudo apt-get install -y ${packages.join(' ')}`;
  if (process.platform === 'darwin') return `install with: brew install ${[...new Set(packages.map(brewFormula))].join(' ')}`;
  return "install with your system's package manager; these are the names on Debian";
}

function brewFormula(debianPackage) {
  return { npm: 'node', python3: 'python', 'python3-pip': 'python', 'nghttp2-client': 'nghttp2' }[debianPackage] ?? debianPackage;
}
