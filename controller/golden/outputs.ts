import { basename } from 'node:path';
import { dump } from 'js-yaml';
import { type Diagnostic, formatPath } from '../../model/index.ts';
import { type Rendered, renderResources } from '../render.ts';
import type { Outcome } from './case.ts';

const YAML = { lineWidth: -1, noRefs: true };

/** The golden files of an outcome by name. What would be empty is no file. */
export function outputsOf({ resources, diagnostics, actions }: Outcome): ReadonlyMap<string, string> {
  const outputs = new Map<string, string>();
  if (diagnostics.length > 0) outputs.set('status.yaml', dump(diagnostics.map(describeDiagnostic), YAML));
  if (actions.length > 0) outputs.set('actions.yaml', actions.map(([key, action]) => dump({ key, ...action }, YAML)).join('---\n'));
  for (const [type, rendered] of Map.groupBy(renderResources(resources), ({ type }) => type)) {
    outputs.set(`${type}s.yaml`, rendered.map(renderDocument).join('---\n'));
  }
  return outputs;
}

function renderDocument({ body }: Rendered): string {
  return dump(body, YAML);
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
