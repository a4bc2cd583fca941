import { fileURLToPath } from 'node:url';
import { ASKED_STDIO, AskedProgram } from '../../testkit/asked-program.ts';
import { type Place, processIn } from '../lab/netns/index.ts';

/** A program of a test that runs in a place of a lab. */
export class PlaceChild<Request> extends AskedProgram<Request> {
  /**
   * @param program a file URL
   * @param within a command that runs it with less than everything, such as `setpriv` and its options
   */
  constructor(place: Place, program: URL, onTold: (told: unknown) => void = () => {}, within: readonly string[] = []) {
    const child = place.spawn([...within, process.execPath, fileURLToPath(program)], { stdio: ASKED_STDIO });
    super({ program, child, onTold, kill: async () => void process.kill(await processIn(child), 'SIGKILL') });
  }
}
