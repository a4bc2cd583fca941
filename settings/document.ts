import { dump } from 'js-yaml';
import { type SettingsField, settingsFields } from './describe.ts';

const INDENT = '  ';

/** All settings with their defaults as commented YAML. What is absent by default stands there as a comment. */
export function settingsDefaults(): string {
  const lines: string[] = [];
  let section = '';
  for (const field of settingsFields()) {
    const [first = '', ...rest] = field.path;
    if (first !== section) lines.push(...(section === '' ? [] : ['']), `${first}:`);
    section = first;
    lines.push(...fieldLines(field, INDENT.repeat(rest.length)));
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
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** A value as YAML on one line. */
function inlineYaml(value: unknown): string {
  return dump(value, { flowLevel: 0, flowBracketPadding: true, lineWidth: -1 }).trimEnd();
}

/** The settings as a Markdown table. */
export function settingsTable(): string {
  const rows = settingsFields().map((field) => {
    const value = field.default === undefined ? '' : `\`${inlineYaml(field.default)}\``;
    return `| \`${field.path.join('.')}\` | ${field.type} | ${value} | ${field.description} |`;
  });
  return ['| setting | value | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}
