import { type DescField, getOption } from '@bufbuild/protobuf';
import { disallowed_by_default, disallowed_by_default_enum } from '@sluice/envoy-protos/envoy/annotations/deprecation_pb.js';
import { below } from '../path.ts';
import type { MessageCheck } from './field-checks.ts';

/**
 * What Envoy refuses although it still has it: fields that are set, and values of enums, as defaults too. Its runtime could let them in again;
 * ours does not.
 * @returns undefined where there is nothing of the kind
 */
export function withdrawnCheck(field: DescField): MessageCheck | undefined {
  if (field.proto.options && getOption(field, disallowed_by_default)) {
    return (message, path, report) => {
      if (message.isSet(field)) report(below(path, field.jsonName), 'is no longer taken by Envoy');
    };
  }
  if (field.fieldKind !== 'enum') return undefined;
  const withdrawn = new Map(
    field.enum.values
      .filter((value) => value.proto.options && getOption(value, disallowed_by_default_enum))
      .map(({ number, name }) => [number, name]),
  );
  if (withdrawn.size === 0) return undefined;
  return (message, path, report) => {
    const name = withdrawn.get(message.get(field));
    const stands = !field.oneof || message.isSet(field);
    if (stands && name !== undefined) report(below(path, field.jsonName), `must not be ${name}, which Envoy no longer takes`);
  };
}
