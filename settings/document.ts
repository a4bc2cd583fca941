import { dump } from 'js-yaml';
import { type SettingsField, settingsFields } from './describe.ts';
import { FILE_SECTIONS } from './settings.ts';

const INDENT = '  ';

/** All settings with their defaults as commented YAML. What is absent by default stands there as a comment. */
export function settingsDefaults(): string {
  const lines: string[] = [];
  /** The sections that lines are in at present. */
  let open: readonly string[] = [];
  const seen = new Set<string>();
  for (const field of settingsFields()) {
    const sections = field.path.slice(0, -1);
    for (const [depth, name] of sections.entries()) {
      const isOpen = open.length > depth && sections.slice(0, depth + 1).every((part, index) => part === open[index]);
      if (isOpen || seen.has(sections.slice(0, depth + 1).join('.'))) continue;
      lines.push(...(depth === 0 && lines.length > 0 ? [''] : []), `${INDENT.repeat(depth)}${name}:`);
    }
    open = sections;
    seen.add(field.path.join('.'));
    lines.push(...fieldLines(field, INDENT.repeat(sections.length)));
  }
  return `${lines.join('\n')}\n`;
}

function fieldLines(field: SettingsField, indent: string): string[] {
  const { description, type, default: value } = field;
  const comment = type === 'boolean' ? description : `${description} (${type})`;
  const mark = field.dependent || value === undefined ? '# ' : '';
  const entry = value === undefined || isEmpty(value) ? `${field.path.at(-1)}:` : `${field.path.at(-1)}: ${inlineYaml(value)}`;
  return [`${indent}# ${comment}`, `${indent}${mark}${entry}`];
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}

/** A value as YAML on one line. */
function inlineYaml(value: unknown): string {
  return dump(value, { flowLevel: 0, flowBracketPadding: true, lineWidth: -1 }).trimEnd();
}

/** The settings as a Markdown table. */
export function settingsTable(): string {
  const rows = settingsFields().map((field) => {
    const value = field.default === undefined ? '' : `\`${inlineYaml(field.default)}\``;
    const isOfFile = FILE_SECTIONS.some((section) => section === field.path[0]);
    const where = isOfFile ? 'file' : 'file, object';
    return `| \`${field.path.join('.')}\` | ${field.type} | ${value} | ${where} | ${field.description} |`;
  });
  return ['| setting | value | default | given in | meaning |', '|---|---|---|---|---|', ...rows].join('\n');
}
