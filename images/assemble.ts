// Puts together what the images hold, from a checkout and the tools of a Debian root: `assemble.ts CHECKOUT OUT` makes OUT/sluice and OUT/envoy.
// Run in the build of the images, by the Node that goes into them.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** The layers, and what is read at run time. */
const SOURCES = [
  ...[
    'agent',
    'bpf',
    'cli',
    'collection',
    'controller',
    'envoy-config',
    'flows',
    'ingress-controller',
    'kube',
    'l7-filters',
    'model',
    'otlp',
    'pki',
    'policy',
    'regex',
    'service-translation',
  ],
  ...['settings', 'xds-server', 'yaml'],
  ...['LICENSE', 'package.json', 'manifests/install.yaml', 'manifests/policy.yaml'],
];
/** Of tests alone. */
const TESTS = /(\.test\.ts|\/(testdata|testing|golden|feature|fuzz|bench))$/;
/** Packages that are in the image in another place, or only for their types. */
const NOT_RUN = /^node_modules\/(node-linux-|@types\/|sluice$)/;
/** By which programs are loaded into the kernel; where Debian has it. */
const LIBBPF = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/libbpf.so.1`;
const USER = 65532;

const [checkout = '', out = ''] = process.argv.slice(2);
const { config } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
assembleSluice(join(out, 'sluice'));
assembleEnvoy(join(out, 'envoy'));

function assembleSluice(root: string): void {
  makeRoot(root, ['sh', 'chown', 'dirname', 'readlink', 'wget']);
  const app = join(root, 'opt/sluice');
  for (const source of SOURCES) {
    const filter = (path: string) => !TESTS.test(path);
    cpSync(join(checkout, source), join(app, source), { recursive: true, filter, verbatimSymlinks: true });
  }
  copyPackages(app);
  copyProgram(root, join(checkout, '.setup/node'), 'opt/sluice/.setup/node');
  copyProgram(root, LIBBPF, LIBBPF);
}

function assembleEnvoy(root: string): void {
  makeRoot(root, ['chmod', 'id', 'sh', 'printf', 'rm', 'sleep', 'timeout', 'tr']);
  copyProgram(root, '/bin/nc.openbsd', 'bin/nc.openbsd');
  copyProgram(root, '/usr/bin/setpriv', 'bin/setpriv');
  copyProgram(root, join(checkout, `.setup/envoy-${config.envoy}`), 'usr/local/bin/envoy');
  cpSync(join(checkout, 'images/envoy-supervisor.sh'), join(root, 'usr/local/bin/envoy-supervisor'));
  chmodSync(join(root, 'usr/local/bin/envoy-supervisor'), 0o755);
}

/** The packages of package-lock.json that are not for development alone. */
function copyPackages(app: string): void {
  const { packages } = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8'));
  for (const [path, entry] of Object.entries<{ dev?: boolean; link?: boolean }>(packages)) {
    if (!path.startsWith('node_modules/') || entry.dev || NOT_RUN.test(path) || !existsSync(join(checkout, path))) continue;
    // A package inside another has an entry of its own, and may be for development.
    const filter = (from: string) => from === join(checkout, path) || basename(from) !== 'node_modules';
    cpSync(join(checkout, path), join(app, path), { recursive: true, filter, verbatimSymlinks: true });
  }
}

/** What every program expects to be there, and busybox under the names of these tools. */
function makeRoot(root: string, tools: readonly string[]): void {
  for (const folder of ['bin', 'dev', 'etc/ssl/certs', 'proc', 'run', 'sys', 'tmp', 'usr/local/bin', 'var/lib']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  chmodSync(join(root, 'tmp'), 0o1777);
  writeFileSync(join(root, 'etc/passwd'), `root:x:0:0::/:/bin/sh\nsluice:x:${USER}:${USER}::/:/bin/sh\n`);
  writeFileSync(join(root, 'etc/group'), `root:x:0:\nsluice:x:${USER}:\n`);
  writeFileSync(join(root, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  // The runtime mounts its own over these.
  for (const name of ['hostname', 'hosts', 'resolv.conf']) writeFileSync(join(root, 'etc', name), '');
  cpSync('/etc/ssl/certs/ca-certificates.crt', join(root, 'etc/ssl/certs/ca-certificates.crt'));
  cpSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const tool of tools) symlinkSync('busybox', join(root, 'bin', tool));
}

/** Copies a program with the shared libraries that it asks for, each to where it was found. */
function copyProgram(root: string, program: string, to: string): void {
  copyFile(program, join(root, to));
  const listed = execFileSync('ldd', [program], { encoding: 'utf8' });
  for (const [, library] of listed.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)) if (library) copyFile(library, join(root, library));
}

function copyFile(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(realpathSync(from), to);
}
