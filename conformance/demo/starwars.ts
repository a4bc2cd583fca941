import type { Streams } from '../streams.ts';
import { type Asked, Stage } from './stage.ts';

/** A step of the demonstration: who asks for what, and what is to come of it. */
interface Step {
  readonly from: string;
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  /** The end of what curl prints: the body and the status. `none`: no connection within three seconds. */
  readonly expected: string;
}

interface Scene {
  readonly title: string;
  /** A file of the example that is put in force first. */
  readonly policy?: string;
  readonly steps: readonly Step[];
}

interface Play {
  readonly example: string;
  readonly server: string;
  readonly scenes: readonly Scene[];
}

const LANDED = 'Ship landed\n200';
const EXPLODED = 'Panic: deathstar exploded\n503';
const DENIED = 'Access denied\r\n403';
const NOTHING = 'none';
/** Of curl: the operation timed out. */
const TIMED_OUT = 28;

const land = (from: string, expected: string): Step => ({ from, method: 'POST', path: '/v1/request-landing', expected });
const attack = (from: string, expected: string): Step => ({ from, method: 'PUT', path: '/v1/exhaust-port', expected });
const get = (from: string, path: string, expected: string): Step => ({ from, method: 'GET', path, expected });

const PLAYS: readonly Play[] = [
  {
    example: 'starwars',
    server: 'deathstar',
    scenes: [
      {
        title: 'Without a policy everybody lands, and the exhaust port is open',
        steps: [land('tiefighter', LANDED), land('xwing', LANDED), attack('tiefighter', EXPLODED)],
      },
      {
        title: 'Only ships of the empire get a connection',
        policy: 'allow-empire.yaml',
        steps: [land('tiefighter', LANDED), land('xwing', NOTHING), attack('tiefighter', EXPLODED)],
      },
      {
        title: 'And all that these may do is to land',
        policy: 'allow-landing.yaml',
        steps: [land('tiefighter', LANDED), attack('tiefighter', DENIED), land('xwing', NOTHING)],
      },
    ],
  },
  {
    example: 'service-accounts',
    server: 'app1',
    scenes: [
      {
        title: 'Whoever runs as app2 may GET /public, nobody else may do anything',
        policy: 'policy.yaml',
        steps: [
          get('app2', '/public', "{'val': 'this is public'}\n200"),
          get('app2', '/private', DENIED),
          { from: 'app2', method: 'PUT', path: '/public', expected: DENIED },
          get('app3', '/public', NOTHING),
        ],
      },
    ],
  },
];

/**
 * Shows policies of layers 3 to 7 at work on real traffic, each command with its result.
 * @returns the exit code: 1 where anything came out differently
 */
export async function playStarWars({ out, error }: Streams): Promise<number> {
  let failures = 0;
  for (const play of PLAYS) {
    out(`\n# manifests/examples/${play.example}: pods in network namespaces, sluice run --enforce\n`);
    await using stage = await Stage.open(play.example, [play.server]);
    for (const scene of play.scenes) failures += await playScene(stage, play, scene, out);
    out(`\n$ sluice enforcer cleanup\n${await stage.cleanUp()}`);
  }
  if (failures > 0) error(`\n${failures} steps came out differently\n`);
  return failures > 0 ? 1 : 0;
}

async function playScene(stage: Stage, { example, server }: Play, { title, policy, steps }: Scene, out: Streams['out']): Promise<number> {
  out(`\n## ${title}\n`);
  if (policy !== undefined) {
    out(`$ cp manifests/examples/${example}/${policy} MANIFESTS/policy.yaml\n`);
    await stage.apply(policy, 'policy.yaml');
  }
  let failures = 0;
  for (const step of steps) {
    const args = ['-X', step.method, '-w', '%{http_code}', `http://${stage.addressOf(server)}${step.path}`];
    const asked = await stage.curl(step.from, args);
    const result = resultOf(asked);
    const isRight = result === step.expected;
    failures += isRight ? 0 : 1;
    out(
      `${step.from}$ curl -X ${step.method} http://${server}${step.path}\n${tell(result)}${isRight ? '' : `  ** expected: ${tell(step.expected)}`}`,
    );
  }
  return failures;
}

function resultOf({ exitCode, output }: Asked): string {
  if (exitCode === TIMED_OUT) return NOTHING;
  return exitCode === 0 ? output : `curl ends with ${exitCode}: ${output}`;
}

function tell(result: string): string {
  if (result === NOTHING) return '  no connection\n';
  const [, body = result, status = ''] = /^(.*)(\d{3})$/s.exec(result) ?? [];
  return `  ${body.trim()} (${status})\n`;
}
