import { CORE_SCHEMA, constructFromEvents, mergeTag, parseEvents, YAMLException } from 'js-yaml';
import { aliasedValues } from './aliased-values.ts';
import type { FolderLimits } from './options.ts';

/** Kubernetes reads YAML 1.1 with merge keys; the core schema is what all its own manifests stay within. */
const SCHEMA = CORE_SCHEMA.withTags(mergeTag);

export type Decoded =
  | { readonly result: 'value'; readonly value: unknown }
  /** Nothing but space and comments. */
  | { readonly result: 'empty' }
  | { readonly result: 'wrong'; readonly code: 'InvalidYaml' | 'TooLarge'; readonly message: string; readonly offset: number };

/** Decodes one document of YAML or JSON into a tree of plain data. Messages hold nothing of the document's content. */
export function decodeYaml(text: string, limits: FolderLimits): Decoded {
  try {
    const events = parseEvents(text, { maxDepth: limits.depth });
    const [value = null, ...more] = constructFromEvents(events, { source: text, schema: SCHEMA, maxAliases: limits.aliasedValues });
    if (more.length > 0) return { result: 'wrong', code: 'InvalidYaml', message: 'more follows after the end of the document', offset: 0 };
    if (value === null) return { result: 'empty' };
    return text.includes('*') ? withinLimits(value, limits) : { result: 'value', value };
  } catch (error) {
    return wrong(error, limits);
  }
}

function withinLimits(value: unknown, limits: FolderLimits): Decoded {
  const count = aliasedValues(value);
  if (count === 'endless') return { result: 'wrong', code: 'InvalidYaml', message: 'an alias stands inside what it repeats', offset: 0 };
  if (count <= limits.aliasedValues) return { result: 'value', value };
  const message = `its aliases repeat more than ${limits.aliasedValues} values`;
  return { result: 'wrong', code: 'TooLarge', message, offset: 0 };
}

/** The parser's reasons, where its own words say too little to the author of a manifest. */
const REASONS: readonly (readonly [start: string, meaning: string])[] = [
  ['duplicated mapping key', 'a key stands twice in a mapping'],
  ['unidentified alias', 'an alias has no anchor before it'],
  ['unknown scalar tag', 'a value has a tag that is not known'],
  ['unknown mapping tag', 'a mapping has a tag that is not known'],
  ['unknown sequence tag', 'a list has a tag that is not known'],
  ['object-based map does not support complex keys', 'a key is a list or a mapping'],
  ['null byte is not allowed in input', 'holds a NUL character'],
  ['expected valid JSON character', 'holds a control character'],
  ['the stream contains non-printable characters', 'holds a control character'],
];

function wrong(error: unknown, limits: FolderLimits): Decoded {
  if (!(error instanceof YAMLException)) {
    // The parser's regular expressions overflow the stack on some texts of megabytes.
    if (error instanceof RangeError) return { result: 'wrong', code: 'TooLarge', message: 'holds a value that is too long', offset: 0 };
    throw error;
  }
  const offset = error.mark?.position ?? 0;
  if (error.reason.startsWith('nesting exceeded')) {
    return { result: 'wrong', code: 'TooLarge', message: `is nested deeper than ${limits.depth} levels`, offset };
  }
  if (error.reason.startsWith('aliases exceeded') || error.reason.startsWith('merge keys exceeded')) {
    return { result: 'wrong', code: 'TooLarge', message: `has more than ${limits.aliasedValues} aliases`, offset };
  }
  const meaning = REASONS.find(([start]) => error.reason.startsWith(start))?.[1] ?? withoutContent(error.reason);
  return { result: 'wrong', code: 'InvalidYaml', message: meaning, offset };
}

/** Some reasons quote the text, which may be that of a Secret. */
function withoutContent(reason: string): string {
  return reason.replace(/ ?!<.*>/g, '').replace(/ ?".*"/g, '');
}
