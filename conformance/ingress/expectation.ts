import type { Reply } from './exchange.ts';

/** A Service's name is short for 200 from one of its pods, a number for a status. */
export type Expected = string | number | ExpectedReply;

/** Only what is named is compared. */
export interface ExpectedReply {
  readonly status?: number;
  /** The Service whose pod answers; null for an answer that is not a pod's. */
  readonly service?: string | null;
  readonly namespace?: string;
  /** What the pod received. */
  readonly path?: string;
  readonly host?: string;
  readonly method?: string;
  readonly proto?: string;
  /** The header Location of the answer. */
  readonly location?: string;
}

/** What differs, in words; undefined where nothing does. */
export function differenceOf(reply: Reply, expected: Expected): string | undefined {
  const wanted =
    typeof expected === 'string' ? { status: 200, service: expected } : typeof expected === 'number' ? { status: expected } : expected;
  const { status, echo, headers } = reply;
  const found: Readonly<Record<keyof ExpectedReply, string | number | null | undefined>> = {
    status,
    service: echo?.service ?? null,
    namespace: echo?.namespace,
    path: echo?.path,
    host: echo?.host,
    method: echo?.method,
    proto: echo?.proto,
    location: headers.location,
  };
  const differences = Object.entries(wanted).filter(([field, value]) => value !== undefined && found[readField(field)] !== value);
  if (differences.length === 0) return undefined;
  const parts = differences.map(([field, value]) => `${field} is ${JSON.stringify(found[readField(field)])}, not ${JSON.stringify(value)}`);
  return `${parts.join('; ')} (answer ${status}${echo ? ` of ${echo.namespace}/${echo.service}` : ''})`;
}

const FIELDS = ['status', 'service', 'namespace', 'path', 'host', 'method', 'proto', 'location'] as const satisfies (keyof ExpectedReply)[];

function readField(name: string): keyof ExpectedReply {
  const field = FIELDS.find((candidate) => candidate === name);
  if (field === undefined) throw new TypeError(`no field of an answer: ${name}`);
  return field;
}
