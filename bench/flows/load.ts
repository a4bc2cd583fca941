import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Place } from '../../conformance/lab/netns/index.ts';
import { type Distribution, distributionOf } from '../distribution.ts';

export interface LoadOptions {
  readonly url: string;
  readonly seconds: number;
  /** Requests a second, whether or not those before are answered. */
  readonly rate: number;
  /** For what it writes. */
  readonly folder: string;
}

export interface Load {
  readonly requests: number;
  /** In milliseconds. */
  readonly took: Distribution;
}

/** So many that a request has one to itself even where others wait. */
const CLIENTS = 50;

/**
 * Requests at a rate, each of 50 clients at its own, by h2load.
 * @throws where one was not answered with 200
 */
export async function openLoad(place: Place, { url, seconds, rate, folder }: LoadOptions): Promise<Load> {
  const log = join(folder, 'requests.tsv');
  const clients = ['--h1', '-t', '1', '-c', String(CLIENTS), '--rps', String(rate / CLIENTS)];
  await place.run(['h2load', ...clients, '-D', String(seconds), `--log-file=${log}`, url]);
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  const answers = lines.map((line) => line.split('\t').map(Number));
  const failed = answers.filter(([, status]) => status !== 200);
  if (failed.length > 0) throw new Error(`${failed.length} of ${answers.length} requests failed`);
  return { requests: answers.length, took: distributionOf(answers.map(([, , microseconds = Number.NaN]) => microseconds / 1_000)) };
}

/** Requests a second that 8 connections get answered at most, by wrk. */
export async function saturation(place: Place, url: string, seconds: number): Promise<number> {
  const output = await place.run(['wrk', '-t1', '-c8', `-d${seconds}s`, url]);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1] ?? Number.NaN);
}
