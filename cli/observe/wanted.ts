import { CliError } from '../cli-error.ts';
import { DROP_REASON_WORDS, type PeerField, type PeerWanted, type Side, type Wanted } from './flow-request.ts';

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
  const lists = Object.entries(LISTS).flatMap(([key, option]) => {
    const values = listOf(argv, option);
    return values ? [[key, values] as const] : [];
  });
  for (const reason of listOf(argv, 'drop-reason') ?? []) {
    if (!DROP_REASON_WORDS.includes(reason.toLowerCase()))
      throw new CliError('usage', `${JSON.stringify(reason)} is no reason; such are ${DROP_REASON_WORDS.slice(0, 4).join(', ')} …`);
  }
  return {
    ...countOf(argv, 'last'),
    ...countOf(argv, 'first'),
    ...textOf(argv, 'since'),
    ...textOf(argv, 'until'),
    follow: argv['follow'] === true,
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
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new CliError('usage', `--${option} must be how many, 0 or more`);
  return { [option]: value };
}
