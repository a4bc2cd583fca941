import { readFileSync } from 'node:fs';

const PAGE = new URL('../docs/diagnostics.md', import.meta.url);

export interface DocumentedCode {
  readonly code: string;
  readonly severity: string;
  readonly meaning: string;
}

/** The rows of the table under a heading of docs/diagnostics.md, in order. Throws if there is no such heading. */
export function documentedCodes(heading: string): readonly DocumentedCode[] {
  const section = readFileSync(PAGE, 'utf8')
    .split(/^## /m)
    .find((text) => text.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`docs/diagnostics.md has no section ${JSON.stringify(heading)}`);
  const rows = section.matchAll(/^\| `(?<code>\w+)` \| (?<severity>\w+) \| (?<meaning>.*) \|$/gm);
  return Array.from(rows, ({ groups }) => ({ code: '', severity: '', meaning: '', ...groups }));
}
