import { readFileSync, rmSync } from 'node:fs';
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
const CLIENTS = 200;
/** Of the requests that were due, which must have been sent: else those that wait keep others from being sent, and nobody sees what these would have waited. */
const LEAST_SENT = 0.99;

/**
 * Requests at a rate, each client at its share of it, by h2load.
 * @throws where one was not answered with 200, or where not all that were due were sent
 */
export async function openLoad(place: Place, { url, seconds, rate, folder }: LoadOptions): Promise<Load> {
  const log = join(folder, 'requests.tsv');
  rmSync(log, { force: true }); // It would be added to.
  const ofEach = rate / CLIENTS;
  // One after the other over the time between two requests of each, so that they do not all ask at once for ever.
  const begin = ['-r', String(Math.max(1, Math.round(rate / 1_000))), '--rate-period=1ms'];
  const clients = ['--h1', '-t', '1', '-c', String(CLIENTS), '--rps', String(ofEach), ...begin];
  await place.run(['h2load', ...clients, '-n', String(rate * seconds), `--log-file=${log}`, url]);
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  const answers = lines.map((line) => line.split('\t').map(Number));
  const failed = answers.filter(([, status]) => status !== 200);
  if (failed.length > 0) throw new Error(`${failed.length} of ${answers.length} requests failed`);
  const due = rate * seconds - CLIENTS; // The last of each may be due after the end.
  if (answers.length < due * LEAST_SENT) throw new Error(`${answers.length} of ${due} requests were sent`);
  return { requests: answers.length, took: distributionOf(answers.map(([, , microseconds = Number.NaN]) => microseconds / 1_000)) };
}

/** Requests a second that 8 connections get answered at most, by wrk. */
export async function saturation(place: Place, url: string, seconds: number): Promise<number> {
  const output = await place.run(['wrk', '-t1', '-c8', `-d${seconds}s`, url]);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1] ?? Number.NaN);
}
