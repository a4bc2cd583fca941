import type { FileRegistry } from '@bufbuild/protobuf';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import type { FieldPath } from '../model/index.ts';
import { fillInSource } from './fill-in.ts';
import { fillInHost } from './fill-in-host.ts';
import { healthCheckProblem } from './health-checks.ts';
import type { KnownResources } from './known-resources.ts';
import { loadBalancingProblem } from './load-balancing.ts';
import { asWritten } from './messages/as-written.ts';
import { validateConstraints } from './messages/constraints/validate-constraints.ts';
import { below, type Path, stepsOf } from './messages/path.ts';
import { readAny } from './messages/read-message.ts';
import { walkMessage } from './messages/walk-message.ts';
import { findPrivileged } from './privileges/find-privileged.ts';
import type { ResourceKind } from './references/meaning.ts';
import type { Report } from './report.ts';
import { NAMED_BY, nameOf, resourceKindOf } from './resource-kinds.ts';

/** One of a config's resources, as it was written but for what is filled in. */
export interface ReadResource {
  readonly kind: ResourceKind;
  /** As it was written. */
  readonly name: string;
  readonly message: ReflectMessage;
  /** The path of a field of it in the object, with keys as the user wrote them. */
  readonly pathOf: (path: Path) => FieldPath;
}

export interface ReadOptions {
  readonly registry: FileRegistry;
  /** What operators let configs use: names of messages and of their fields. */
  readonly allow: ReadonlySet<string>;
  /** What was read before, with the same of these. */
  readonly known?: KnownResources | undefined;
}

/** Reads a resource and says all that is wrong with it by itself; undefined where it cannot be read at all. */
export function readResource(json: unknown, at: FieldPath, options: ReadOptions, report: Report): ReadResource | undefined {
  const { known } = options;
  const text = known && JSON.stringify(json);
  const pathOf = (path: Path) => [...at, ...asWritten(json, stepsOf(path))];
  const before = text === undefined ? undefined : known?.get(text);
  if (before) return { ...before, pathOf };
  const told = report.diagnostics.length;
  const read = readAnew(json, { at, pathOf }, options, report);
  if (read && text !== undefined && report.diagnostics.length === told) known?.add(text, read);
  return read && { ...read, pathOf };
}

interface Place {
  readonly at: FieldPath;
  readonly pathOf: ReadResource['pathOf'];
}

function readAnew(
  json: unknown,
  { at, pathOf }: Place,
  { registry, allow }: ReadOptions,
  report: Report,
): Omit<ReadResource, 'pathOf'> | undefined {
  const reading = readAny(json, registry);
  if (!reading.read) {
    for (const { path, message } of reading.findings) report.add([...at, ...path], 'InvalidEnvoyConfig', message);
    return undefined;
  }
  const { message } = reading;
  const kind = resourceKindOf(message.message);
  if (kind === undefined) {
    report.add([...at, '@type'], 'InvalidEnvoyConfig', `is ${message.desc.typeName}, which is no resource: use ${resourceNames()}`);
    return undefined;
  }
  for (const { path, what, why, never } of findPrivileged(message, registry, allow)) {
    const hint = never ? 'which no config may have' : 'which the setting envoyConfig.allow does not name';
    report.add(pathOf(path), 'NotPermitted', `uses ${what}, ${hint}: ${why}`);
  }
  walkMessage(message, registry, ({ message: inner }) => [fillInSource(inner), fillInHost(inner)].includes(true));
  walkMessage(message, registry, ({ message: inner }, path) => {
    const found = loadBalancingProblem(inner) ?? healthCheckProblem(inner, allow);
    if (found) report.add(pathOf(below(path, found.field)), 'InvalidEnvoyConfig', found.problem);
    return false;
  });
  validateConstraints(message, registry, (path, problem) => report.add(pathOf(path), 'InvalidEnvoyConfig', problem));
  return { kind, name: nameOf(message.message), message };
}

function resourceNames(): string {
  return Object.values(NAMED_BY)
    .map(({ typeName }) => typeName.slice(typeName.lastIndexOf('.') + 1))
    .join(', ');
}
