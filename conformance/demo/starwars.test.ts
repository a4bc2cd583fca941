import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { playStarWars } from './starwars.ts';

describe('the demonstration', needs('root', 'netns', 'envoy', 'bpf'), () => {
  test('every step comes out as it is to, and nothing is left', { timeout: 180_000 }, async () => {
    let [told, wrong] = ['', ''];
    const out = (text: string) => {
      told += text;
    };
    const error = (text: string) => {
      wrong += text;
    };
    assert.equal(await playStarWars({ out, error }), 0, told + wrong);
    assert.equal(wrong, '');
    for (const step of ['Ship landed (200)', 'Access denied (403)', 'no connection', "{'val': 'this is public'} (200)"]) {
      assert.ok(told.includes(step), `no "${step}" in\n${told}`);
    }
  });
});
