import { CliError } from '../cli-error.ts';
import { DROP_REASONS } from './drop-reasons.ts';
import type { PeerField, PeerWanted, Side, Wanted } from './flow-request.ts';
import { NEGATED } from './negated.ts';

type Arguments = Readonly<Record<string, unknown>>;

const FIELDS: readonly PeerField[] = ['pod', 'namespace', 'label', 'identity', 'ip', 'port', 'service', 'workload', 'name'];
const SIDES: readonly (readonly [prefix: string, side: Side])[] = [
  ['from-', 'from'],
  ['to-', 'to'],
  ['', 'either'],
];
const LISTS = {
  protocol: 'protocol',
  verdict: 'verdict',
  type: 'type',
  httpStatus: 'http-status',
  httpMethod: 'http-method',
  httpPath: 'http-path',
  dnsName: 'dns-name',
  dropReason: 'drop-reason',
  traceId: 'trace-id',
} as const;

/** What the options of `sluice observe` say. @throws CliError `usage` */
export function wantedOf(argv: Arguments): Wanted {
  return {
    ...countOf(argv, 'last'),
    ...countOf(argv, 'first'),
    ...textOf(argv, 'since'),
    ...textOf(argv, 'until'),
    follow: argv['follow'] === true,
    ...filtersOf(argv),
    not: Object.entries(argv).flatMap(([option, values]) => negated(option, values)),
  };
}

/** Each option that says what is not wanted stands for itself. */
function negated(option: string, values: unknown): ReturnType<typeof filtersOf>[] {
  if (!option.startsWith(NEGATED) || values === undefined) return [];
  return [filtersOf({ [option.slice(NEGATED.length)]: values })];
}

function filtersOf(argv: Arguments): Omit<Wanted, 'not'> {
  const lists = Object.entries(LISTS).flatMap(([key, option]) => {
    const values = listOf(argv, option);
    return values ? [[key, values] as const] : [];
  });
  for (const reason of listOf(argv, 'drop-reason') ?? []) {
    if (!DROP_REASONS.includes(reason.toLowerCase()))
      throw new CliError('usage', `${JSON.stringify(reason)} is no reason; such are ${DROP_REASONS.slice(0, 4).join(', ')} …`);
  }
  return {
    of: FIELDS.flatMap((field) => SIDES.flatMap(([prefix, side]) => peerOf(argv, `${prefix}${field}`, side, field))),
    ...Object.fromEntries(lists),
  };
}

function peerOf(argv: Arguments, option: string, side: Side, field: PeerField): PeerWanted[] {
  const values = listOf(argv, option);
  return values ? [{ side, field, values }] : [];
}

function listOf(argv: Arguments, option: string): readonly string[] | undefined {
  const value = argv[option];
  return Array.isArray(value) && value.length > 0 ? value.map(String) : undefined;
}

function textOf(argv: Arguments, option: 'since' | 'until'): Pick<Wanted, 'since' | 'until'> {
  const value = argv[option];
  return typeof value === 'string' ? { [option]: value } : {};
}

function countOf(argv: Arguments, option: 'last' | 'first'): Pick<Wanted, 'last' | 'first'> {
  const value = argv[option];
  if (value === undefined) return {};
  // To servers of flows 0 means that nothing is said, so they tell of all.
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1)
    throw new CliError('usage', `--${option} must be how many, 1 or more`);
  return { [option]: value };
}
