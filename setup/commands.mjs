import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CommandError } from './errors.mjs';

const OUTPUT_LINES_SHOWN = 20;

/**
 * Runs a command and gives what it wrote to standard output.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions & { onStart?: (pid: number) => void }} [options]
 * @returns {Promise<string>}
 * @throws {CommandError} with its output, where it cannot be started or ends with another status than 0
 */
export async function runCommand(command, args, { onStart, ...options } = {}) {
  const line = [command, ...args].join(' ');
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  // Ended by a signal, this process must not leave behind one that goes on changing the checkout, as npm does at SIGTERM.
  const kill = () => child.kill('SIGKILL');
  if (child.pid) {
    process.once('exit', kill);
    onStart?.(child.pid);
  }
  let output = '';
  let everything = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
    everything += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    everything += text;
  });
  const ended = await new Promise((resolve) => {
    child.once('error', (error) => resolve({ error }));
    child.once('close', (status, signal) => resolve({ status, signal }));
  });
  process.off('exit', kill);
  if (ended.error) throw new CommandError(`cannot run ${line}: ${ended.error.message}`, '', { cause: ended.error });
  if (ended.status === 0) return output;
  const shown = everything.trimEnd().split('\n').slice(-OUTPUT_LINES_SHOWN).join('\n');
  throw new CommandError(`${line} ended with ${ended.signal ?? `status ${ended.status}`}:\n${shown}`, everything);
}

/**
 * @param {string} command
 * @returns {boolean} whether it would be found on the PATH
 */
export function isOnPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => isExecutable(join(folder, command)));
}

/**
 * @param {string} path
 * @returns {boolean}
 */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
