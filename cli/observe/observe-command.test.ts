import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { NodeFlows } from '../../agent/index.ts';
import type { Status } from '../../controller/admin/status.ts';
import { exampleFlow } from '../../flows/testing/example-flow.ts';
import {
  controllerProfile,
  issueWithKey,
  type KeyedCertificate,
  makeAuthority,
  nodeProfile,
  observerProfile,
  servingNodeProfile,
} from '../../pki/index.ts';
import { eventually } from '../../testkit/eventually.ts';
import { runSluiceCommand, SluiceCommand } from '../../testkit/sluice-command.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { MutualTlsCredentials, SnapshotCache } from '../../xds-server/serve/index.ts';
import { parseCommandLine } from '../command-line.ts';

const SLUICE = fileURLToPath(new URL('../bin/sluice', import.meta.url));
const VERDICTS = ['forwarded', 'dropped', 'forwarded'] as const;
const DROPPED = ['--verdict', 'DROPPED'];

describe('sluice observe', () => {
  const cleanUp = new AsyncDisposableStack();
  const folder = cleanUp.use(new TemporaryFolder());
  let flows: NodeFlows;
  let adminPort = '';
  let told: Partial<Status> = {};
  before(async () => {
    flows = cleanUp.use(new NodeFlows({ node: 'n1', version: '1', capacity: 16, cache: new SnapshotCache() }));
    await flows.listen(folder.join('flows.sock'));
    for (const [index, verdict] of VERDICTS.entries()) flows.ring.add(exampleFlow({ time: BigInt(index), verdict }));
    const about: Status = {
      ...{ role: 'agent', version: '1', pid: 1, since: '', ready: true, objects: {}, resources: {}, clients: [], rejected: [] },
      findings: { error: 0, warning: 0, info: 0 },
    };
    const admin = createServer((_, response) => response.end(JSON.stringify({ ...about, ...told })));
    await new Promise<void>((resolve) => admin.listen(0, '127.0.0.1', resolve));
    cleanUp.defer(() => new Promise((resolve) => admin.close(() => resolve())));
    const address = admin.address();
    adminPort = String(typeof address === 'object' ? address?.port : undefined);
    told = { flows: flows.state() };
  });
  after(() => cleanUp.disposeAsync());

  function observe(...args: string[]) {
    return runSluiceCommand(['observe', '--admin-port', adminPort, ...args]);
  }

  test('finds where flows are told by what runs on this machine', async () => {
    const { code, stdout, stderr } = await observe();
    assert.deepEqual([code, stdout.split('\n').length, stderr], [0, 4, '']);
    assert.match(stdout, /^1970-01-01T00:00:00\.000Z FORWARDED shop\/web-1:/);
  });

  for (const [what, args, verdicts] of [
    ['what is wanted', DROPPED, ['DROPPED']],
    ['what is not unwanted', ['--not', ...DROPPED], ['FORWARDED', 'FORWARDED']],
    ['what is wanted and not unwanted', ['--from-pod', 'shop/web', '--not', '--verdict', 'forwarded', '--last', '5'], ['DROPPED']],
    ['nothing', ['--not', '--namespace', 'shop'], []],
    ['the first', ['--first', '1'], ['FORWARDED']],
  ] as const) {
    test(`shows ${what}`, async () => {
      const { code, stdout, stderr } = await observe(...args, '-o', 'json');
      assert.deepEqual([code, stderr], [0, '']);
      const lines = stdout
        .trim()
        .split('\n')
        .filter((line) => line !== '');
      assert.deepEqual(
        lines.map((line) => JSON.parse(line).flow.verdict),
        verdicts,
      );
    });
  }

  test('goes on until nobody reads it any more, and ends as if nothing had been', async () => {
    const script = 'set -o pipefail; "$0" observe --admin-port "$1" --follow --last 1 2>&1 | head -n 1; echo $?';
    const shown = promisify(execFile)('bash', ['-c', script, SLUICE, adminPort]);
    const timer = setInterval(() => flows.ring.add(exampleFlow({ time: 9n, verdict: 'dropped' })), 20);
    const { stdout } = await shown.finally(() => clearInterval(timer));
    const [line = '', code, ...rest] = stdout.split('\n');
    assert.match(line, / FORWARDED | DROPPED /);
    assert.deepEqual([code, rest], ['0', ['']]);
  });

  test('goes on until it is told to end', async () => {
    await using command = new SluiceCommand(['observe', '--admin-port', adminPort, '--follow', '--last', '1']);
    await eventually(() => assert.notEqual(command.stdout, ''));
    command.signal('SIGINT');
    assert.deepEqual([await command.exited, command.stderr], [0, '']);
  });

  const MISTAKES: readonly (readonly [what: string, args: readonly string[], exitCode: number, said: RegExp])[] = [
    ['a socket that nobody has', ['--server', 'unix:/nowhere'], 1, /^nobody tells of flows at unix:\/nowhere: connect ENOENT \/nowhere$/],
    ['a filter that the server refuses', ['--ip', 'x'], 2, /^"x" is neither an address nor a prefix of addresses$/],
    ['a verdict that is none', ['--verdict', 'maybe'], 2, /^[^\n]*verdict[^\n]*\(see: sluice observe --help\)$/],
    ['a negation of nothing', ['--not'], 2, /^--not stands before the option that it is about/],
    ['half of a certificate', ['--cert', 'a'], 2, /^--ca, --cert and --key go together$/],
    ['files that are not there', ['--ca', 'a', '--cert', 'b', '--key', 'c'], 2, /^. cannot be read: /],
  ];
  for (const [what, args, exitCode, message] of MISTAKES) {
    test(`tells of ${what} in one line`, async () => {
      await assert.rejects(parseCommandLine(['observe', '--admin-port', adminPort, ...args]), { name: 'CliError', exitCode, message });
    });
  }

  test('tells where nothing runs, or nothing that remembers flows', async () => {
    const nobody = await runSluiceCommand(['observe', '--admin-port', '1']);
    assert.match(nobody.stderr, /^sluice: no Sluice answers on 127\.0\.0\.1:1; does `sluice run` or/);
    told = {};
    const without = await observe();
    told = { flows: flows.state() };
    assert.match(without.stderr, /^sluice: what answers on 127\.0\.0\.1:\d+ remembers no flows: `sluice run` and agents do, /);
    assert.deepEqual([nobody.code, without.code], [1, 1]);
  });

  test('completes values of options', async () => {
    const words = async (option: string) =>
      (await runSluiceCommand(['--get-yargs-completions', 'sluice', 'observe', option])).stdout.trim().split('\n');
    assert.deepEqual(await words('-o'), ['compact', 'json', 'dict', 'table']);
    assert.deepEqual(await words('--verdict'), ['forwarded', 'dropped', 'redirected', 'audit', 'error']);
    const reasons = await words('--drop-reason');
    assert.ok(reasons.includes('policy_denied') && reasons.length > 50, reasons.join());
  });

  describe('by mutual TLS', () => {
    const authority = makeAuthority();
    const files = async (name: string, { certificate, privateKey }: KeyedCertificate) => {
      writeFileSync(folder.join(`${name}.crt`), certificate);
      writeFileSync(folder.join(`${name}.key`), privateKey);
      return ['--ca', folder.join('ca.crt'), '--cert', folder.join(`${name}.crt`), '--key', folder.join(`${name}.key`)];
    };
    async function listen(identity: KeyedCertificate): Promise<string> {
      const { certificate } = await authority;
      writeFileSync(folder.join('ca.crt'), certificate);
      const credentials = new MutualTlsCredentials({ ...identity, authorities: certificate });
      const clients = ['spiffe://sluice.io/observer/ann'];
      return `127.0.0.1:${await flows.listenForOthers({ host: '127.0.0.1', port: 0, credentials, clients })}`;
    }

    test('of whoever may ask, and nobody else', async () => {
      const server = await listen(await issueWithKey(await authority, servingNodeProfile('n1')));
      const ann = await files('ann', await issueWithKey(await authority, observerProfile('ann')));
      const { code, stdout, stderr } = await observe('--server', server, ...ann, '--last', '2');
      assert.deepEqual([code, stdout.split('\n').length, stderr], [0, 3, '']);
      const other = await files('other', await issueWithKey(await authority, nodeProfile('n2')));
      const refused = await observe('--server', server, ...other);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /spiffe:\/\/sluice\.io\/node\/n2 may not ask for flows: see the setting flows\.clients\n$/);
    });

    test('of nodes alone', async () => {
      const server = await listen(await issueWithKey(await authority, { ...controllerProfile(), dnsNames: ['127.0.0.1'] }));
      const ann = await files('ann', await issueWithKey(await authority, observerProfile('ann')));
      const { code, stderr } = await observe('--server', server, ...ann);
      assert.equal(code, 1);
      assert.match(stderr, /the server is no node of Sluice/);
    });
  });
});
