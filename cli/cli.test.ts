import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadAll } from 'js-yaml';
import { needs } from '../testkit/capabilities.ts';
import { makeCertificate } from '../testkit/make-certificate.ts';
import { documents, serviceYaml } from '../testkit/manifests.ts';
import { runSluiceCommand } from '../testkit/sluice-command.ts';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { CliError } from './cli-error.ts';
import { parseCommandLine } from './command-line.ts';

const folder = new TemporaryFolder();
after(() => folder.dispose());

const { certificate, privateKey } = makeCertificate({ commonName: 'shop.test', names: ['shop.test'] });
const KEY_LINE = privateKey.split('\n')[1] ?? '';

const SHOP = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
spec:
  ingressClassName: cilium
  tls:
    - hosts: [shop.test]
      secretName: shop
  rules:
    - host: shop.test
      http:
        paths:
          - path: /cart
            pathType: Prefix
            backend: {service: {name: cart, port: {number: 80}}}
          - path: /
            pathType: Prefix
            backend: {service: {name: web, port: {number: 80}}}
`;
const SECRET = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Secret',
  type: 'kubernetes.io/tls',
  metadata: { name: 'shop' },
  stringData: { 'tls.crt': certificate, 'tls.key': privateKey },
});
const ENDPOINTS = JSON.stringify({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  ports: [{ port: 9001 }],
  endpoints: [{ addresses: ['10.0.0.1'] }],
});

const good = folder.join('good');
const bad = folder.join('bad');
mkdirSync(good);
mkdirSync(bad);
writeFileSync(`${good}/shop.yaml`, SHOP);
writeFileSync(`${good}/services.yaml`, documents(serviceYaml('web'), serviceYaml('cart'), ENDPOINTS));
writeFileSync(`${good}/secret.yaml`, SECRET);
writeFileSync(`${bad}/shop.yaml`, SHOP);
writeFileSync(`${bad}/web.yaml`, documents(serviceYaml('web'), 'kind: [broken'));
writeFileSync(folder.join('sluice.yaml'), 'http:\n  acessLog: json\n');

/** One of each command that does nothing without. */
const SUBCOMMANDS = new Map([
  ['bpf', ['ipcache']],
  ['config', ['defaults']],
  ['identity', ['list']],
  ['policy', ['verdict']],
]);

const NOWHERE = folder.join('nowhere');
const here = { cwd: folder.path };

describe('wrong usage', { concurrency: 2 }, () => {
  const CASES: readonly (readonly [args: readonly string[], line: RegExp])[] = [
    [[], /^a command is missing \(see: sluice --help\)$/],
    [['valdate', good], /there is no command valdate \S+; did you mean validate\?/],
    [['nonsense'], /there is no command nonsense /],
    [['config', 'defalts'], /there is no command config defalts; did you mean defaults\?/],
    [['render'], /missing required argument: manifests \(see: sluice render --help\)/],
    [['render', '--manifests', good, '--typ', 'cluster'], /unknown argument: typ/],
    [['render', '--manifests', good, '--type', 'clusters'], /invalid values: .*"clusters"/],
    [['render', '--manifests', good, '--as', 'cec', '--type', 'cluster'], /with --as cec there are no types to choose from/],
    [['run', '--manifests', good, '--http-port', '80a'], /--http-port must be a port from 1 to 65535/],
    [['run', '--manifests', good, '--http-port', '9870'], /must differ/],
    [['run', '--manifests', good, '--address', 'localhost'], /--address must be an IP address/],
    [['policy', 'verdict', '--from', 'a', '--to', 'b', '--port', '0'], /--port must be a port, by name or from 1 to 65535/],
    [['policy', 'verdict', '--from', 'a', '--to', 'b', '--port', '256', '--protocol', 'ICMP'], /--port must be a type from 0 to 255/],
    [['policy', 'verdict', '--from', 'a', '--port', '80'], /missing required argument: to \(see: sluice policy --help\)/],
    [['bpf', 'ipcache', '10.0.0'], /"10\.0\.0" is no IP address/],
    [['bpf', 'policy', 'web'], /"web" is no identity: it is a number/],
    [['bpf', 'policies'], /there is no command bpf policies; did you mean policy\?/],
    [['identity', 'get', 'web'], /"web" is no identity: it is a number/],
    [['identity'], /say which: sluice identity list, or sluice identity get NUMBER/],
    [['agent', 'clenup'], /there is no command agent clenup; did you mean cleanup\?/],
    [['enforcer', 'cleanup', '--socket', 'a'], /unknown argument: socket/],
    [['policy', 'verdcit'], /there is no command policy verdcit; did you mean verdict\?/],
    [['explain', 'shop.test/cart'], /"shop\.test\/cart" is no http or https URL; did you mean https:\/\/shop\.test\/cart\?/],
    [['explain', 'http://shop.test', '--manifests', NOWHERE], /nowhere does not exist/],
  ];
  for (const [args, line] of CASES) {
    test(`sluice ${args.join(' ').replaceAll(folder.path, '')}`, async () => {
      await assert.rejects(parseCommandLine(args), (error) => {
        assert.ok(error instanceof CliError);
        assert.equal(error.exitCode, 2);
        assert.match(error.message, line);
        return !error.message.includes('\n');
      });
    });
  }

  test('ends the command with code 2 and one line', async () => {
    const result = await runSluiceCommand(['validate', 'nowhere'], here);
    assert.deepEqual(result, { code: 2, stdout: '', stderr: 'sluice: nowhere does not exist\n' });
  });

  test('a settings file that is wrong', async () => {
    const { code, stderr } = await runSluiceCommand(['validate', 'good', '--config', 'sluice.yaml'], here);
    assert.equal(code, 2);
    assert.equal(stderr, 'sluice: the settings file is not valid\n  sluice.yaml:2:3 http.acessLog: no such setting\n');
  });
});

describe('validate', { concurrency: 2 }, () => {
  test('is content with manifests that are fine', async () => {
    assert.deepEqual(await runSluiceCommand(['validate', 'good'], here), { code: 0, stdout: '5 objects, nothing wrong\n', stderr: '' });
  });

  test('tells what is wrong with its place, by file, and ends with code 1', async () => {
    const { code, stdout, stderr } = await runSluiceCommand(['validate', 'bad'], here);
    assert.equal(code, 1, stderr);
    const lines = stdout.trimEnd().split('\n');
    assert.match(
      stdout,
      /^bad\/shop\.yaml:16:\d+ error ServiceNotFound Ingress default\/shop spec\.rules\[0\]\.http\.paths\[0\]\.backend.*cart/m,
    );
    assert.match(stdout, /^bad\/shop\.yaml:9:\d+ error SecretNotFound /m);
    assert.match(stdout, /^bad\/web\.yaml:\d+:\d+ error /m);
    assert.match(lines.at(-1) ?? '', /^2 objects, 3 errors/);
    const places = lines.filter((line) => line.startsWith('bad/')).map((line) => line.split(':')[0]);
    assert.deepEqual(places, places.toSorted());
  });

  test('findings are JSON for machines', async () => {
    const { code, stdout } = await runSluiceCommand(['validate', '-o', 'json', 'bad/shop.yaml'], here);
    assert.equal(code, 1);
    const { findings, summary } = JSON.parse(stdout);
    const { severity, location, object } = findings.find((finding: { code: string }) => finding.code === 'SecretNotFound');
    assert.deepEqual([severity, location.line, object.name], ['error', 9, 'shop']);
    assert.equal(summary.objects, 1);
    assert.equal(summary.error + summary.warning + summary.info, findings.length);
  });

  test('policies are checked, too', async () => {
    const spec = '{endpointSelector: {}, ingress: [{fromEntities: [wrold]}]}';
    writeFileSync(
      folder.join('policy.yaml'),
      `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: odd}\nspec: ${spec}\n`,
    );
    const { code, stdout } = await runSluiceCommand(['validate', 'policy.yaml'], here);
    assert.equal(code, 1);
    assert.match(stdout, /^policy\.yaml:4:\d+ error \w+ CiliumNetworkPolicy default\/odd spec\.ingress\[0\]\.fromEntities\[0\]: .*wrold/);
  });

  test('CiliumEnvoyConfigs are tried by an Envoy', needs('envoy'), async () => {
    const type = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
    const cluster = `{"@type": ${type}, name: own, type: STATIC, lbPolicy: LOAD_BALANCING_POLICY_CONFIG}`;
    writeFileSync(
      folder.join('config.yaml'),
      `apiVersion: cilium.io/v2\nkind: CiliumEnvoyConfig\nmetadata: {name: odd}\nspec:\n  resources:\n    - ${cluster}\n`,
    );
    const { code, stdout } = await runSluiceCommand(['validate', 'config.yaml'], here);
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^config\.yaml:6:\d+ error RefusedInDryRun CiliumEnvoyConfig default\/odd spec\.resources\[0\]: .*load_balancing_policy/,
    );
    writeFileSync(folder.join('untried.yaml'), 'envoyConfig: {dryRun: false}\n');
    const untried = await runSluiceCommand(['validate', 'config.yaml', '--config', 'untried.yaml'], here);
    assert.deepEqual([untried.code, untried.stdout], [0, '1 object, nothing wrong\n']);
  });

  test('warnings are tolerated where that is asked for', async () => {
    writeFileSync(
      folder.join('warning.yaml'),
      documents(SHOP.replaceAll('shop.test', 'other.test'), serviceYaml('web'), serviceYaml('cart'), SECRET),
    );
    const [strict, lenient] = await Promise.all([
      runSluiceCommand(['validate', 'warning.yaml'], here),
      runSluiceCommand(['validate', 'warning.yaml', '--fail-on', 'error'], here),
    ]);
    assert.match(strict.stdout, / warning CertificateHostMismatch /);
    assert.deepEqual([strict.code, lenient.code, lenient.stdout], [1, 0, strict.stdout]);
  });
});

describe('render', { concurrency: 2 }, () => {
  test('prints every resource, in YAML and in JSON alike, without the key', async () => {
    const [yaml, json] = await Promise.all([
      runSluiceCommand(['render', '--manifests', 'good'], here),
      runSluiceCommand(['render', '--manifests', 'good', '-o', 'json'], here),
    ]);
    assert.deepEqual([yaml.code, yaml.stderr, json.code], [0, '', 0]);
    assert.deepEqual(loadAll(yaml.stdout), JSON.parse(json.stdout));
    assert.match(yaml.stdout, /inlineString: '\[redacted\]'/);
    for (const { stdout } of [yaml, json]) assert.ok(!stdout.includes(KEY_LINE));
  });

  test('one type alone', async () => {
    const { stdout } = await runSluiceCommand(['render', '--manifests', 'good', '--type', 'cluster', '-o', 'json'], here);
    const names = JSON.parse(stdout).map((cluster: { name: string }) => cluster.name);
    assert.deepEqual(names, ['default:cart:80', 'default:web:80']);
  });

  test('prints Ingresses as CiliumEnvoyConfigs, which can be read again', async () => {
    const [yaml, json] = await Promise.all([
      runSluiceCommand(['render', '--manifests', 'good', '--as', 'cec'], here),
      runSluiceCommand(['render', '--manifests', 'good', '--as', 'cec', '-o', 'json'], here),
    ]);
    const [config, ...others] = JSON.parse(json.stdout);
    assert.deepEqual([loadAll(yaml.stdout), others], [[config], []]);
    assert.deepEqual([config.kind, config.metadata], ['CiliumEnvoyConfig', { name: 'cilium-ingress-default-shop', namespace: 'default' }]);
    const ports = [
      { name: 'cilium-ingress-shop', namespace: 'default', ports: [80], listener: 'http' },
      { name: 'cilium-ingress-shop', namespace: 'default', ports: [443], listener: 'https' },
    ];
    assert.deepEqual(config.spec.services, ports);
    const again = folder.join('again');
    mkdirSync(again, { recursive: true });
    writeFileSync(`${again}/config.yaml`, documents(yaml.stdout, serviceYaml('web'), serviceYaml('cart'), SECRET));
    const { stdout } = await runSluiceCommand(['validate', 'again', '-o', 'json'], here);
    const codes = JSON.parse(stdout).findings.map(
      ({ code, object }: { code: string; object: { kind: string } }) => `${object.kind} ${code}`,
    );
    assert.deepEqual(
      codes.filter((found: string) => found.startsWith('CiliumEnvoyConfig')),
      ['CiliumEnvoyConfig ListenerWithoutAddress', 'CiliumEnvoyConfig ListenerWithoutAddress'],
    );
  });

  test('says that something is wrong without getting into the output', async () => {
    const { code, stdout, stderr } = await runSluiceCommand(['render', '--manifests', 'bad', '-o', 'json'], here);
    assert.equal(code, 0);
    assert.ok(Array.isArray(JSON.parse(stdout)));
    assert.match(stderr, /^sluice: 3 errors.*; see: sluice validate bad$/m);
  });
});

describe('explain', { concurrency: 2 }, () => {
  test('names every step and the line behind it, across the redirect', async () => {
    const { code, stdout } = await runSluiceCommand(['explain', 'http://shop.test/about', '--manifests', 'good', '-v'], here);
    assert.equal(code, 0);
    assert.equal(
      stdout,
      `http://shop.test/about
  listener     http, 127.0.0.1 port 8080
  host         shop.test
  no match     prefix /cart
  route        prefix / (2 of 2)
               from Ingress default/shop spec.rules[0].http.paths[1] (good/shop.yaml:17:13)
  outcome      308, to https://shop.test:8443/about

https://shop.test:8443/about
  listener     https, 127.0.0.1 port 8443
  tls          shop.test, certificate default/shop
               from Ingress default/shop spec.tls[0].hosts[0] (good/shop.yaml:8:15)
               from Secret default/shop (good/secret.yaml:1:1)
  host         shop.test
  no match     prefix /cart
  route        prefix / (2 of 2)
               from Ingress default/shop spec.rules[0].http.paths[1] (good/shop.yaml:17:13)
  action       forward, no timeout
  cluster      default:web:80, HTTP/1.1, round-robin
               from Service default/web spec.ports[0] (good/services.yaml:7:5)
  endpoints    10.0.0.1:9001
               from EndpointSlice default/web-1 (good/services.yaml:17:1)
  outcome      one of the endpoints answers
`,
    );
  });

  test('is JSON with places for machines, without the key', async () => {
    const { stdout } = await runSluiceCommand(['explain', 'https://shop.test/cart', '--manifests', 'good', '-o', 'json'], here);
    const { outcome, route, certificate: used } = JSON.parse(stdout);
    assert.equal(outcome.kind, 'forward');
    assert.equal(route.route.source.location.line, 14);
    assert.equal(used.privateKey, '[redacted]');
    assert.ok(!stdout.includes(KEY_LINE));
  });

  test('ends with code 1 where nothing takes the request, and says what is nearest', async () => {
    const { code, stdout } = await runSluiceCommand(['explain', 'https://shp.test/', '--manifests', 'good'], here);
    assert.equal(code, 1);
    assert.match(stdout, /outcome {6}the connection is closed: no certificate is for this server name\n {2}nearest {6}shop\.test\n$/);
  });
});

describe('policy verdict', { concurrency: 2 }, () => {
  const selector = 'podSelector: {matchLabels: {app: db}}';
  const policy = `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db}\nspec:\n  ${selector}\n  ingress: [{ports: [{port: 5432}]}]\n`;
  mkdirSync(folder.join('policed'));
  writeFileSync(folder.join('policed', 'db.yaml'), policy);
  const ask = (...more: string[]) =>
    runSluiceCommand(['policy', 'verdict', '--manifests', 'policed', '--from', 'world', '--to', 'app=db', ...more], here);

  test('names the line behind each decision, and ends with code 1 where it is denied', async () => {
    const [allowed, denied] = await Promise.all([ask('--port', '5432'), ask('--port', '80')]);
    assert.deepEqual([allowed.code, denied.code], [0, 1]);
    assert.match(allowed.stdout, /ingress {6}allowed\n +from NetworkPolicy default\/db spec\.ingress\[0\] \(policed\/db\.yaml:6:\d+\)\n/);
    assert.match(
      denied.stdout,
      /ingress {6}denied: no rule allows it\n +isolated by NetworkPolicy default\/db \(policed\/db\.yaml:1:1\)\n/,
    );
  });

  test('is JSON with places for machines', async () => {
    const { stdout } = await ask('--port', '53', '--protocol', 'UDP', '-o', 'json');
    const { decision, protocol, egress, ingress } = JSON.parse(stdout);
    assert.deepEqual(
      [decision, protocol, egress, ingress.reason, ingress.sources[0].location.line],
      ['deny', 17, undefined, 'not-allowed', 1],
    );
  });
});

describe('the rest', { concurrency: 2 }, () => {
  test('the launcher finds the checkout, also through the links that npm makes', async () => {
    const root = fileURLToPath(new URL('..', import.meta.url));
    for (const launcher of ['cli/bin/sluice', 'node_modules/.bin/sluice']) {
      const { stdout } = await promisify(execFile)(`${root}${launcher}`, ['--version'], here);
      assert.match(stdout, /^sluice /, launcher);
    }
  });

  test('--version names Sluice and its Envoy', async () => {
    const { code, stdout } = await runSluiceCommand(['--version']);
    assert.equal(code, 0);
    assert.match(stdout, /^sluice \d+\.\d+\.\d+ \(Envoy \d+\.\d+\.\d+\)\n$/);
  });

  test('every command is documented, and has help with an example', async () => {
    const { stdout } = await runSluiceCommand(['--help']);
    const commands = [...stdout.matchAll(/^ {2}sluice ([\w-]+)/gm)].map((match) => match[1] ?? '');
    assert.deepEqual(commands, [
      ...[
        'run',
        'controller',
        'agent',
        'enforcer',
        'validate',
        'render',
        'explain',
        'policy',
        'status',
        'observe',
        'certificate',
        'why-denied',
      ],
      ...['endpoints', 'identity', 'bpf', 'doctor', 'demo', 'config', 'completion'],
    ]);
    const documented = readFileSync(new URL('../docs/cli.md', import.meta.url), 'utf8');
    for (const command of commands) {
      assert.match(documented, new RegExp(`^## .sluice ${command}\\b`, 'm'));
      const words = [command, ...(SUBCOMMANDS.get(command) ?? [])];
      assert.match((await runSluiceCommand([...words, '--help'])).stdout, new RegExp(`Examples:\\n +.*sluice ${command}`), command);
    }
  });

  test('settings are documented by the command itself', async () => {
    const [defaults, schema] = await Promise.all([runSluiceCommand(['config', 'defaults']), runSluiceCommand(['config', 'schema'])]);
    assert.match(defaults.stdout, /^ {2}accessLog: 'off'$/m);
    assert.equal(JSON.parse(schema.stdout).properties.http.additionalProperties, false);
    writeFileSync(folder.join('defaults.yaml'), defaults.stdout);
    assert.equal((await runSluiceCommand(['validate', 'good', '--config', 'defaults.yaml'], here)).code, 0);
  });

  test('completion scripts are for the shell that is asked for, and complete', async () => {
    const [bash, zsh, words] = await Promise.all([
      runSluiceCommand(['completion', 'bash']),
      runSluiceCommand(['completion', 'zsh']),
      runSluiceCommand(['--get-yargs-completions', 'sluice', 'render', '--type']),
    ]);
    assert.match(bash.stdout, /^complete .*_sluice sluice$/m);
    assert.match(zsh.stdout, /^#compdef sluice$/m);
    assert.deepEqual(words.stdout.trim().split('\n'), ['listener', 'scope', 'route', 'cluster', 'endpoint', 'secret']);
  });

  test('status says that nothing answers', async () => {
    const { code, stderr } = await runSluiceCommand(['status', '--admin-port', '1']);
    assert.equal(code, 1);
    assert.match(stderr, /^sluice: no Sluice answers on 127\.0\.0\.1:1; /);
  });
});
