import { existsSync } from 'node:fs';
import { AgentLock } from './agent-lock.ts';
import { cleanUpDatapath } from './datapath.ts';
import { listAttached } from './hooks.ts';
import { cleanUpServices } from './services/index.ts';

/** What there was to remove. */
export interface NodeCleanUp {
  /** Numbers of the devices that programs were on. */
  readonly devices: readonly number[];
  /** Whether programs or tables were pinned. */
  readonly hadPins: boolean;
}

/**
 * Removes all that Sluice has put into the kernel of a node: programs on devices of this process' network namespace and on sockets, their links, and
 * whatever is pinned. Nothing of it is in force then. Where there is nothing it does nothing.
 * @param pinFolder in a BPF file system; it goes, too, unless others have files in it
 * @param last removes what those programs needed, while nobody can put them to work
 * @throws DatapathError `locked` while a process has it open
 */
export async function cleanUpNode(pinFolder: string, last: () => void = () => {}): Promise<NodeCleanUp> {
  const hadPins = existsSync(pinFolder);
  using _lock = await AgentLock.take(hadPins ? pinFolder : undefined);
  const devices = [...listAttached().keys()];
  // Sockets first: addresses of Services that they still ask for would be dropped by programs at pods' doors.
  cleanUpServices(pinFolder);
  cleanUpDatapath(pinFolder);
  last();
  return { devices, hadPins };
}
