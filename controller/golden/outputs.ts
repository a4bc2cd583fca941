import { basename } from 'node:path';
import { dump } from 'js-yaml';
import { type Diagnostic, formatPath } from '../../model/index.ts';
import { LISTENER } from '../../xds-server/translate/types.ts';
import { type Rendered, renderResource, renderResources, resourceTypeOf } from '../render.ts';
import type { LedListener, Outcome } from './case.ts';

const YAML = { lineWidth: -1, noRefs: true };

/** The golden files of an outcome by name. What would be empty is no file. */
export function outputsOf({ resources, listeners, diagnostics, actions }: Outcome): ReadonlyMap<string, string> {
  const outputs = new Map<string, string>();
  if (diagnostics.length > 0) outputs.set('status.yaml', dump(diagnostics.map(describeDiagnostic), YAML));
  if (actions.length > 0) outputs.set('actions.yaml', actions.map(([key, action]) => dump({ key, ...action }, YAML)).join('---\n'));
  if (listeners.length > 0) outputs.set('service-listeners.yaml', listeners.map(renderListener).join('---\n'));
  for (const [type, rendered] of Map.groupBy(renderResources(resources), ({ type }) => type)) {
    outputs.set(`${type}s.yaml`, rendered.map(renderDocument).join('---\n'));
  }
  return outputs;
}

function renderDocument({ body }: Rendered): string {
  return dump(body, YAML);
}

function renderListener({ listener: { name, body, requires }, takes }: LedListener): string {
  const { body: rendered } = renderResource({ typeUrl: LISTENER, name, version: '', body, requires: [] });
  const required = requires.map(({ typeUrl, name: needed }) => `${resourceTypeOf(typeUrl)} ${needed}`);
  return dump({ name, takes, requires: required, listener: rendered }, YAML);
}

function describeDiagnostic({ severity, code, message, object, path, location }: Diagnostic): object {
  return {
    at: location ? `${basename(location.file)}:${location.line}:${location.column}` : 'nowhere',
    code,
    severity,
    ...(object && { object: `${object.kind} ${object.namespace === '' ? '' : `${object.namespace}/`}${object.name}` }),
    ...(path.length > 0 && { path: formatPath(path) }),
    message,
  };
}
