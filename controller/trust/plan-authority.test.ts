import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Authority, isSignedByOne, issueWithKey, makeAuthority, nodeProfile, readCertificate } from '../../pki/index.ts';
import { type AuthorityState, bundleOf, decodeAuthority, encodeAuthority } from './authority-state.ts';
import { type AuthorityStep, planAuthority, takeStep } from './plan-authority.ts';
import { TrustError } from './trust-error.ts';

const SECOND_MS = 1_000;
const LEAF_MS = 100 * SECOND_MS;
const times = { lifetimeMs: 1_200 * SECOND_MS, announceMs: 60 * SECOND_MS, retireMs: LEAF_MS + 10 * SECOND_MS };
const begin = new Date('2030-01-01T00:00:00Z');

function at(seconds: number): Date {
  return new Date(begin.getTime() + seconds * SECOND_MS);
}

async function make(now: Date): Promise<Authority> {
  return makeAuthority({ lifetimeMs: times.lifetimeMs, now, backdateMs: 0 });
}

describe('authorities follow one another', () => {
  test('by three steps, none too soon, and what was issued is trusted throughout', async () => {
    let state: AuthorityState = { current: await make(begin), since: begin };
    const steps: (readonly [seconds: number, step: AuthorityStep])[] = [];
    /** What everybody was told at the time, and what was signed. */
    const bundles: { readonly seconds: number; readonly bundle: string }[] = [];
    const leaves: { readonly seconds: number; readonly certificate: string }[] = [];
    for (let seconds = 0; seconds < 3_000; seconds += 10) {
      const now = at(seconds);
      const { step } = planAuthority(state, now, times);
      if (step) {
        steps.push([seconds, step]);
        state = takeStep(state, step, now, await make(now));
      }
      bundles.push({ seconds, bundle: bundleOf(state) });
      const { certificate } = await issueWithKey(state.current, { ...nodeProfile('a', LEAF_MS), backdateMs: 0 }, now);
      leaves.push({ seconds, certificate });
    }
    assert.deepEqual(steps.slice(0, 4), [
      [800, 'announce'],
      [860, 'switch'],
      [970, 'retire'],
      [1600, 'announce'],
    ]);
    assert.ok(steps.length >= 8);
    let checked = 0;
    for (const leaf of leaves) {
      // Whoever was told up to a minute before it was signed, and whoever will be told as long as it lives.
      const concerned = bundles.filter(({ seconds }) => seconds > leaf.seconds - 60 && seconds <= leaf.seconds + 100);
      for (const { bundle } of concerned) assert.ok(isSignedByOne(leaf.certificate, bundle), `signed at ${leaf.seconds} s`);
      checked += concerned.length;
    }
    assert.ok(checked > 4_000, `${checked}`);
    for (const { certificate, seconds } of leaves) assert.ok(readCertificate(certificate).notAfter > at(seconds), 'lives');
  });

  test('at once, where the current one is over', async () => {
    const state: AuthorityState = { current: await make(begin), since: begin };
    const late = at(2_000);
    assert.equal(planAuthority(state, late, times).step, 'announce');
    const announced = takeStep(state, 'announce', late, await make(late));
    assert.equal(planAuthority(announced, late, times).step, 'switch');
  });

  test('and a plan says when there is more to do', async () => {
    const state: AuthorityState = { current: await make(begin), since: begin };
    assert.deepEqual(planAuthority(state, begin, times), { step: undefined, at: at(800) });
  });
});

describe('the stored form', () => {
  test('gives back what was stored', async () => {
    const [current, next] = await Promise.all([make(begin), make(begin)]);
    const states: readonly AuthorityState[] = [
      { current, since: begin },
      { current, next, since: begin },
      { current, previous: next.certificate, since: begin },
    ];
    for (const state of states) assert.deepEqual(decodeAuthority(encodeAuthority(state)), state);
  });

  test('may be an authority that somebody brought', async () => {
    const { certificate, privateKey } = await make(begin);
    const state = decodeAuthority({ 'ca.crt': certificate, 'ca.key': privateKey });
    assert.deepEqual(state, { current: { certificate, privateKey }, since: begin });
  });

  test('is refused when damaged, without telling the key', async () => {
    const [one, other] = await Promise.all([make(begin), make(begin)]);
    const good = encodeAuthority({ current: one, next: other, since: begin });
    const damaged = [
      {},
      { 'ca.crt': one.certificate },
      { ...good, 'ca.key': other.privateKey },
      { ...good, 'next.key': 'abc' },
      { ...good, 'ca.crt': '' },
      { ...good, 'previous.crt': 'abc' },
    ];
    for (const data of damaged) {
      assert.throws(
        () => decodeAuthority(data),
        (error: unknown) => {
          assert.ok(error instanceof TrustError);
          assert.equal(error.code, 'damaged-authority');
          assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}${error.cause}`, /PRIVATE|MIG/);
          return true;
        },
      );
    }
  });
});
