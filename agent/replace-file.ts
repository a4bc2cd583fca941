import { renameSync, writeFileSync } from 'node:fs';

/** Writes a file for its owner only. It is never there by half, whenever this process ends. */
export function replaceFile(path: string, content: string): void {
  const temporary = `${path}.new`;
  writeFileSync(temporary, content, { mode: 0o600 });
  renameSync(temporary, path);
}
