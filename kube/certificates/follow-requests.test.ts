import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerJson, ScriptedApiServer } from '../../testkit/scripted-api-server.ts';
import { followRequests } from './follow-requests.ts';

const SILENCE_MS = 600;
const BOOKMARK_MS = 100;
const BOOKMARKS = 12;

function requestObject(name: string) {
  return { metadata: { name, resourceVersion: '2' }, spec: { request: btoa('pem'), signerName: 'sluice.io/node' } };
}

test('a watch of requests on which nothing happens stays, by bookmarks', async () => {
  let bookmarks = 0;
  await using server = await ScriptedApiServer.start(({ query }, response) => {
    if (!query.has('watch')) return answerJson(response, 200, { metadata: { resourceVersion: '1' }, items: [] });
    response.writeHead(200, { 'content-type': 'application/json' });
    // As an API server: only to who asks for them.
    const timer = setInterval(() => {
      if (query.get('allowWatchBookmarks') !== 'true') return;
      bookmarks += 1;
      const event =
        bookmarks < BOOKMARKS
          ? { type: 'BOOKMARK', object: { kind: 'CertificateSigningRequest', metadata: { resourceVersion: String(bookmarks), name: '' } } }
          : { type: 'ADDED', object: requestObject('late') };
      response.write(`${JSON.stringify(event)}\n`);
    }, BOOKMARK_MS);
    response.on('close', () => clearInterval(timer));
  });
  const client = server.client({ streamSilenceMs: SILENCE_MS });
  const stop = new AbortController();
  const told: string[] = [];
  const errors: unknown[] = [];
  await followRequests(client, {
    signerName: 'sluice.io/node',
    onRequest: ({ metadata }) => {
      told.push(metadata.name);
      stop.abort();
    },
    onError: (error) => {
      errors.push(error);
      stop.abort();
    },
    signal: stop.signal,
  });
  await client.close();
  assert.deepEqual([told, errors, server.requests.length], [['late'], [], 2]);
});
