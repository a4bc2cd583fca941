import yargs, { type Argv } from 'yargs';
import { CliError } from './cli-error.ts';
import { addAgent } from './commands/agent.ts';
import { addBpf } from './commands/bpf.ts';
import { addCertificate } from './commands/certificate.ts';
import { addCompletion } from './commands/completion.ts';
import { addConfig } from './commands/config.ts';
import { addController } from './commands/controller.ts';
import { addDemo } from './commands/demo.ts';
import { addDoctor } from './commands/doctor.ts';
import { addEndpoints } from './commands/endpoints.ts';
import { addEnforcer } from './commands/enforcer.ts';
import { addExplain } from './commands/explain.ts';
import { addIdentity } from './commands/identity.ts';
import { addObserve } from './commands/observe.ts';
import { addPolicy } from './commands/policy.ts';
import { addRender } from './commands/render.ts';
import { addRun } from './commands/run.ts';
import { addStatus } from './commands/status.ts';
import { addValidate } from './commands/validate.ts';
import { addWhyDenied } from './commands/why-denied.ts';
import { joinNegated } from './observe/negated.ts';
import { describeVersions, readVersions } from './version.ts';

const SUGGESTION = 'did you mean';

const COMMANDS: ReadonlyMap<string, (yargs: Argv) => Argv> = new Map([
  ['run', addRun],
  ['controller', addController],
  ['agent', addAgent],
  ['enforcer', addEnforcer],
  ['validate', addValidate],
  ['render', addRender],
  ['explain', addExplain],
  ['policy', addPolicy],
  ['status', addStatus],
  ['observe', addObserve],
  ['certificate', addCertificate],
  ['why-denied', addWhyDenied],
  ['endpoints', addEndpoints],
  ['identity', addIdentity],
  ['bpf', addBpf],
  ['doctor', addDoctor],
  ['demo', addDemo],
  ['config', addConfig],
  ['completion', addCompletion],
]);

/**
 * Runs the command that the arguments name.
 * @throws CliError
 */
export async function parseCommandLine(args: readonly string[]): Promise<void> {
  const joined = args[0] === 'observe' ? joinNegated(args) : args;
  const parser = [...COMMANDS.values()].reduce((all, add) => add(all), base(joined));
  await parser.parseAsync();
}

function base(args: readonly string[]): Argv {
  return yargs([...args])
    .scriptName('sluice')
    .usage('Usage: $0 <command>\n\nKubernetes Ingress on a stock Envoy, from a cluster or a folder of manifests.')
    .epilogue('`sluice <command> --help` shows examples. Documentation: docs/cli.md')
    .demandCommand(1, 'a command is missing')
    .strict()
    .recommendCommands()
    .locale('en')
    .updateStrings({ 'Did you mean %s?': `${SUGGESTION} %s?` })
    .parserConfiguration({ 'duplicate-arguments-array': false, 'parse-positional-numbers': false })
    .help()
    .alias('help', 'h')
    .version(describeVersions(readVersions()))
    .wrap(Math.min(process.stdout.columns ?? 100, 100))
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message, error) => {
      // What yargs finds wrong is a YError or has no error at all; whatever else arrives here was thrown by a command.
      if (error && error.name !== 'YError') throw error;
      throw new CliError('usage', describeMistake(message ?? error.message, args));
    });
}

/** What yargs says, in one line, with where to read on. */
function describeMistake(message: string, args: readonly string[]): string {
  const firstOption = args.findIndex((arg) => arg.startsWith('-'));
  const words = firstOption < 0 ? args : args.slice(0, firstOption);
  const isSuggestion = message.startsWith(SUGGESTION);
  if (isSuggestion || !COMMANDS.has(words[0] ?? '')) {
    const missing = words.length > 0 ? `there is no command ${words.join(' ')}` : oneLine(message);
    return `${missing}${isSuggestion ? `; ${message}` : ''} (see: sluice --help)`;
  }
  return `${oneLine(message)} (see: sluice ${words[0]} --help)`;
}

function oneLine(message: string): string {
  return message.replace(/\s*\n\s*/g, ' ').replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
}
