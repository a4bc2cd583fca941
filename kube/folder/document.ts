import { type FieldPath, type ObjectRef, objectKey } from '../../model/index.ts';
import { YamlPlaces } from '../../yaml/index.ts';
import { type Finding, finding } from '../codes.ts';
import type { KubeObject } from '../object.ts';
import { validateObject } from '../validate.ts';
import type { FolderLimits } from './options.ts';
import { decodeYaml } from './yaml.ts';

/** What one document says. Depends on nothing but its text, so that the same text is read once. */
export interface ParsedDocument {
  /** The objects that it names, right or wrong, in order. */
  readonly claims: readonly Claim[];
  readonly findings: readonly PlacedFinding[];
  /** Whether there may be objects in it that cannot be told. */
  readonly broken: boolean;
}

/** A place where an object stands; without content where the text there is wrong. */
export interface Claim {
  readonly key: string;
  readonly ref: ObjectRef;
  readonly object?: KubeObject;
  /** From the document's root to the object: empty, or an item of a list. */
  readonly prefix: FieldPath;
}

export interface PlacedFinding {
  readonly finding: Finding;
  readonly ref?: ObjectRef;
  /** In characters from the beginning of the document. */
  readonly offset: number;
}

const REPLACEMENT_CHARACTER = '\uFFFD';
const MAX_FINDINGS = 200;

/** @param lossy whether the file was not UTF-8, so that replacement characters stand for what could not be read. */
export function parseDocument(text: string, lossy: boolean, limits: FolderLimits): ParsedDocument {
  if (text.length > limits.documentChars) {
    return broken(finding('TooLarge', `a document is longer than ${limits.documentChars} characters`), 0);
  }
  const damage = lossy ? text.indexOf(REPLACEMENT_CHARACTER) : -1;
  if (damage !== -1) return broken(finding('InvalidEncoding', 'a document holds bytes that are not UTF-8'), damage);
  const decoded = decodeYaml(text, limits);
  switch (decoded.result) {
    case 'empty':
      return { claims: [], findings: [], broken: false };
    case 'wrong':
      return broken(finding(decoded.code, `a document cannot be read: ${decoded.message}`), decoded.offset);
    case 'value':
      return readObjects(decoded.value, text, limits);
  }
}

/** Stands for all that follows the last document that a file may have. */
export function tooManyDocuments(limits: FolderLimits): ParsedDocument {
  return broken(finding('TooLarge', `the file has more than ${limits.documents} documents; those from here on are not read`), 0);
}

function broken(finding: Finding, offset: number): ParsedDocument {
  return { claims: [], findings: [{ finding, offset }], broken: true };
}

function readObjects(root: unknown, text: string, limits: FolderLimits): ParsedDocument {
  const claims: Claim[] = [];
  const collector = new FindingCollector(text);
  let broken = false;
  let count = 0;
  for (const { value, prefix } of unfold(root, [])) {
    const excess = excessOf(value, ++count, limits);
    if (excess) {
      broken = true;
      collector.add([excess], prefix, undefined);
      if (count > limits.documents) break;
      continue;
    }
    const seen = validateObject(value);
    switch (seen.result) {
      case 'valid':
        claims.push({ key: objectKey(seen.ref), ref: seen.ref, object: seen.object, prefix });
        break;
      case 'invalid':
        if (seen.ref) claims.push({ key: objectKey(seen.ref), ref: seen.ref, prefix });
        else broken = true;
        collector.add(seen.findings, prefix, seen.ref);
        break;
      case 'ignored':
        collector.add(seen.findings, prefix, undefined);
    }
  }
  return { claims, findings: collector.findings, broken };
}

/** A wrong object costs time and memory for each value in it that is wrong, so their number is bounded first. */
function excessOf(value: unknown, count: number, limits: FolderLimits): Finding | undefined {
  if (count > limits.documents)
    return finding('TooLarge', `the list has more than ${limits.documents} items; those from here on are not read`);
  if (countValues(value, limits.objectValues) <= limits.objectValues) return undefined;
  return finding('TooLarge', `an object holds more than ${limits.objectValues} values`);
}

/** How many values there are in a tree of data, itself included; stops soon after `enough`. */
function countValues(value: unknown, enough: number): number {
  if (typeof value !== 'object' || value === null) return 1;
  let count = 1;
  for (const item of Array.isArray(value) ? value : Object.values(value)) {
    count += countValues(item, enough - count);
    if (count > enough) break;
  }
  return count;
}

/** Finds the places of findings, and stops where there are more than anyone reads. */
class FindingCollector {
  readonly #text: string;
  readonly #findings: PlacedFinding[] = [];
  #places: YamlPlaces | undefined;
  #left = 0;

  constructor(text: string) {
    this.#text = text;
  }

  add(findings: readonly Finding[], prefix: FieldPath, ref: ObjectRef | undefined): void {
    for (const finding of findings) {
      if (this.#findings.length === MAX_FINDINGS) {
        this.#left++;
        continue;
      }
      this.#places ??= new YamlPlaces(this.#text);
      const place = { finding, offset: this.#places.offsetOf([...prefix, ...finding.path]) };
      this.#findings.push(ref ? { ...place, ref } : place);
    }
  }

  get findings(): readonly PlacedFinding[] {
    if (this.#left === 0) return this.#findings;
    return [...this.#findings, { finding: finding('InvalidObject', `${this.#left} more fields of this document are wrong`), offset: 0 }];
  }
}

/** The objects in a `List`, or in a list of one kind such as `IngressList`, whose items may leave their type out. */
function* unfold(value: unknown, prefix: FieldPath): Generator<{ readonly value: unknown; readonly prefix: FieldPath }> {
  const list = asList(value);
  if (!list) {
    yield { value, prefix };
    return;
  }
  for (const [index, item] of list.items.entries()) {
    yield* unfold(withType(item, list.itemType), [...prefix, 'items', index]);
  }
}

interface ObjectList {
  readonly items: readonly unknown[];
  readonly itemType?: { readonly apiVersion: string; readonly kind: string };
}

function asList(value: unknown): ObjectList | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('apiVersion' in value)) return undefined;
  const { kind, apiVersion } = value;
  if (typeof kind !== 'string' || !kind.endsWith('List') || typeof apiVersion !== 'string') return undefined;
  const items = 'items' in value ? (value.items ?? []) : [];
  if (!Array.isArray(items)) return undefined;
  return kind === 'List' ? { items } : { items, itemType: { apiVersion, kind: kind.slice(0, -'List'.length) } };
}

function withType(item: unknown, type: ObjectList['itemType']): unknown {
  if (!type || typeof item !== 'object' || item === null || Array.isArray(item)) return item;
  return { ...type, ...item };
}
