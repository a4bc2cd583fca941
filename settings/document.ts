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
  const comment = [field.description, field.type === 'boolean' ? '' : `(${field.type})`].filter((part) => part !== '').join(' ');
  const name = field.path.at(-1) ?? '';
  const isChoice = field.type.startsWith('section');
  if (field.default !== undefined) {
    const mark = field.dependent ? '# ' : '';
    return [`${indent}# ${comment}`, `${indent}${mark}${name}: ${inlineYaml(field.default)}`];
  }
  return [`${indent}# ${comment}`, isChoice && !field.dependent && field.hasDefaults ? `${indent}${name}:` : `${indent}# ${name}:`];
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
