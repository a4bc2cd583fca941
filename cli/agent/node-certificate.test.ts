import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CertificateError } from '../../kube/certificates/index.ts';
import type { ApiServerClient } from '../../kube/index.ts';
import { answerJson, answerStatus, ScriptedApiServer } from '../../testkit/scripted-api-server.ts';
import { requestNodeCertificate } from './node-certificate.ts';

const SIGNAL = new AbortController().signal;

interface Created {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly usages: readonly string[] };
}

/** An API server whose controller signs for some usages and for no others. */
describe('the certificate of a node', () => {
  const cleanUp = new AsyncDisposableStack();
  const requests = new Map<string, Created>();
  let signed: readonly string[] = [];
  let client: ApiServerClient;
  before(async () => {
    const server = cleanUp.use(
      await ScriptedApiServer.start(({ method, path, body }, response) => {
        if (method === 'POST') {
          const created: Created = JSON.parse(body);
          if (requests.has(created.metadata.name)) return answerStatus(response, 409, 'there is one');
          requests.set(created.metadata.name, created);
          return answerJson(response, 201, created);
        }
        const found = requests.get(path.split('/').at(-1) ?? '');
        if (!found) return answerStatus(response, 404, 'not found');
        const usages = found.spec.usages.join();
        const status = signed.includes(usages)
          ? { certificate: btoa(usages) }
          : { conditions: [{ type: 'Denied', reason: 'WrongUsages' }] };
        return answerJson(response, 200, { ...found, metadata: { ...found.metadata, resourceVersion: '1' }, status });
      }),
    );
    const opened = server.client();
    cleanUp.defer(() => opened.close());
    client = opened;
  });
  after(() => cleanUp.disposeAsync());

  const [CLIENT, BOTH] = ['digital signature,client auth', 'digital signature,client auth,server auth'];
  const CASES: readonly (readonly [what: string, serves: boolean, signs: readonly string[], usages: string, told: number])[] = [
    ['is for a client', false, [CLIENT, BOTH], CLIENT, 0],
    ['is for a server, too, where the node serves', true, [CLIENT, BOTH], BOTH, 0],
    ['is for a client where nobody signs for servers, and that is told', true, [CLIENT], CLIENT, 1],
  ];
  for (const [what, serves, signs, usages, told] of CASES) {
    test(what, async () => {
      requests.clear();
      signed = signs;
      const said: string[] = [];
      const log = ({ text }: { readonly text: string }) => void said.push(text);
      assert.equal(await requestNodeCertificate(client, 'PKCS 10', { serves, signal: SIGNAL, log }), usages);
      assert.equal(said.filter((text) => /WrongUsages; trying again/.test(text)).length, told);
    });
  }

  test('is none where nobody signs at all', async () => {
    requests.clear();
    signed = [];
    const asking = requestNodeCertificate(client, 'PKCS 10', { serves: true, signal: SIGNAL, log: () => {} });
    await assert.rejects(asking, (error) => error instanceof CertificateError && error.code === 'refused');
  });
});
