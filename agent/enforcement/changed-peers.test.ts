import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changesPeers } from './changed-peers.ts';

const [WORLD, CLIENT, OTHER] = [2, 500, 600];

test('somebody is somebody else where an address that was told of has another identity, or a network has', () => {
  const told = new Map([
    ['10.0.0.9/32', CLIENT],
    ['fd00::9/128', CLIENT],
    ['192.0.2.0/24', WORLD],
  ]);
  const set = (prefix: string, identity: number) => changesPeers(told, [{ prefix, identity }], []);
  assert.equal(set('10.0.0.9/32', OTHER), true);
  assert.equal(set('fd00::9/128', OTHER), true);
  assert.equal(set('10.0.0.9/32', CLIENT), false, 'it is the same');
  assert.equal(set('10.0.0.10/32', CLIENT), false, 'somebody comes');
  assert.equal(set('fd00::10/128', CLIENT), false);
  assert.equal(set('198.51.100.0/24', WORLD), true, 'all who have addresses of it are there already');
  assert.equal(set('192.0.2.0/24', WORLD), false);
  assert.equal(set('fd00::/32', WORLD), true);
  assert.equal(changesPeers(told, [], ['10.0.0.9/32']), false, 'somebody is gone');
  assert.equal(changesPeers(told, [], ['192.0.2.0/24']), true);
});
