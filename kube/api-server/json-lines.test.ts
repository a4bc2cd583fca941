import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { array, assert as assertProperty, asyncProperty, json, jsonValue, nat, uint8Array } from 'fast-check';
import { ApiError } from './api-error.ts';
import { decodeJson, decodeJsonLines } from './json-lines.ts';

async function* inPieces(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const length of lengths) {
    yield bytes.subarray(at, at + length);
    at += length;
  }
  yield bytes.subarray(at);
}

async function collect(values: AsyncIterable<unknown>): Promise<readonly unknown[]> {
  const collected: unknown[] = [];
  for await (const value of values) collected.push(value);
  return collected;
}

describe('lines of JSON', () => {
  test('come out as they went in, however they are cut', async () => {
    await assertProperty(
      asyncProperty(array(jsonValue()), array(nat(40)), async (values, cuts) => {
        const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
        const seen = await collect(decodeJsonLines(inPieces(bytes, cuts)));
        assert.deepEqual(
          seen,
          values.map((value) => JSON.parse(JSON.stringify(value))),
        );
      }),
    );
  });

  test('a line without an end is no value', async () => {
    await assertProperty(
      asyncProperty(json(), nat(), async (line, at) => {
        const bytes = Buffer.from(`1\n${line}`);
        const cut = bytes.subarray(0, 2 + (at % (bytes.length - 1)));
        assert.deepEqual(await collect(decodeJsonLines(inPieces(cut, []))), [1]);
      }),
    );
  });

  test('any bytes give values or one error of the API, which holds nothing of them', async () => {
    await assertProperty(
      asyncProperty(uint8Array({ maxLength: 200 }), array(nat(20)), async (bytes, cuts) => {
        const outcome = await collect(decodeJsonLines(inPieces(bytes, cuts))).catch((error: unknown) => error);
        assert.ok(Array.isArray(outcome) || (outcome instanceof ApiError && outcome.message === 'the answer is no JSON'));
      }),
    );
  });

  test('a line may not grow for ever', async () => {
    const endless = Array.from({ length: 20 }, () => new Uint8Array(1024 * 1024).fill(0x20));
    await assert.rejects(collect(decodeJsonLines(inPieces(Buffer.concat(endless), []))), { code: 'server-error' });
  });

  test('what is no JSON is not quoted', () => {
    assert.throws(() => decodeJson('token: s3cret'), { code: 'server-error', message: 'the answer is no JSON' });
  });
});
