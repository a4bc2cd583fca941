import { relative } from 'node:path';
import { type FieldPath, type FieldRef, formatField, type Location, type ObjectRef } from '../../model/index.ts';

/** Finds the place of a field; undefined where the object has no file. */
export type Locate = (object: ObjectRef, path: FieldPath) => Location | undefined;

/** A file as it is shortest to name from here. */
export function formatFile(file: string): string {
  const near = relative(process.cwd(), file);
  return near === '' || near.startsWith('..') ? file : near;
}

/** `web.yaml:12:5`. */
export function formatLocation({ file, line, column }: Location): string {
  return `${formatFile(file)}:${line}:${column}`;
}

/** `Ingress default/web spec.rules[0] (web.yaml:12:5)`. */
export function formatSource({ object, path }: FieldRef, locate: Locate): string {
  const location = locate(object, path);
  return `${formatField({ object, path })}${location ? ` (${formatLocation(location)})` : ''}`;
}

/** The JSON of a value in which every reference to a field also has its `location`. */
export function withLocations(value: unknown, locate: Locate): unknown {
  const text = JSON.stringify(value, (_, part: unknown) => {
    if (!isFieldRef(part) || 'location' in part) return part;
    return { ...part, location: locate(part.object, part.path) };
  });
  return JSON.parse(text);
}

function isFieldRef(value: unknown): value is FieldRef {
  if (typeof value !== 'object' || value === null || !('object' in value) || !('path' in value)) return false;
  return Array.isArray(value.path) && typeof value.object === 'object' && value.object !== null && 'kind' in value.object;
}
