import { quote } from '../../kube/index.ts';
import type { Report } from '../report.ts';
import { type Annotation, type KnownName, readAnnotation } from './names.ts';

/** The value of an annotation; undefined where it is absent, or is wrong, which is reported. */
export function readValue<T>(
  annotations: Readonly<Record<string, string>>,
  name: KnownName,
  parse: (text: string) => T | undefined,
  expected: string,
  report: Report,
): T | undefined {
  const annotation = readAnnotation(annotations, name);
  if (annotation === undefined) return undefined;
  const value = parse(annotation.value);
  if (value === undefined) reportValue(annotation, expected, report);
  return value;
}

function reportValue({ key, value }: Annotation, expected: string, report: Report): void {
  report.add(['metadata', 'annotations', key], 'InvalidAnnotation', `must be ${expected}, not ${quote(value)}; the default is used`);
}
