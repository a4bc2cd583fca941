import {
  type DescField,
  type DescMessage,
  type DescOneof,
  type FileRegistry,
  getOption,
  hasOption,
  type Message,
} from '@bufbuild/protobuf';
import { isReflectMessage, type ReflectMessage } from '@bufbuild/protobuf/reflect';
import { disabled, ignored, required } from '@sluice/envoy-protos/validate/validate_pb.js';
import { walkMessage } from '../walk-message.ts';
import { ConstraintError } from './constraint-error.ts';
import { fieldConstraints, type MessageCheck, type Report } from './field-checks.ts';
import { withdrawnCheck } from './withdrawn.ts';

/**
 * Checks a message, and all that is in it and in its Anys, against the constraints in Envoy's own descriptors, as Envoy does with what it gets;
 * so are messages that Envoy happens not to check, as of some load balancing policies.
 * @param report is called for each constraint that does not hold, with the path of the field
 * @see https://github.com/bufbuild/protoc-gen-validate
 */
export function validateConstraints(message: ReflectMessage, registry: FileRegistry, report: Report): void {
  const skipped = new Set<Message>();
  walkMessage(message, registry, (each, path) => {
    if (skipped.has(each.message)) return false;
    const { checks, skippedFields } = constraintsOf(each.desc);
    for (const check of checks) check(each, path, report);
    for (const field of skippedFields) {
      const inner: unknown = each.isSet(field) && each.get(field);
      if (isReflectMessage(inner)) skipped.add(inner.message);
    }
    return false;
  });
}

interface MessageConstraints {
  readonly checks: readonly MessageCheck[];
  readonly skippedFields: readonly DescField[];
}

const constraintsByMessage = new WeakMap<DescMessage, MessageConstraints>();

/** Compiled once. @throws ConstraintError where a rule is not known */
export function constraintsOf(schema: DescMessage): MessageConstraints {
  const known = constraintsByMessage.get(schema);
  if (known) return known;
  if (schema.proto.options && (hasOption(schema, disabled) || hasOption(schema, ignored))) {
    throw new ConstraintError(`${schema.typeName}: has no constraints on purpose`);
  }
  const fields = schema.fields.map((field) => ({ field, ...fieldConstraints(field) }));
  const all = [...fields.map(({ check }) => check), ...schema.fields.map(withdrawnCheck), ...schema.oneofs.map(oneofCheck)];
  const checks = all.filter((check) => check !== undefined);
  const constraints = { checks, skippedFields: fields.filter(({ skipped }) => skipped).map(({ field }) => field) };
  constraintsByMessage.set(schema, constraints);
  return constraints;
}

function oneofCheck(oneof: DescOneof): MessageCheck | undefined {
  if (!oneof.proto.options || !getOption(oneof, required)) return undefined;
  const names = oneof.fields.map(({ jsonName }) => jsonName);
  const what = names.length === 1 ? names.join() : `one of ${names.join(', ')}`;
  return (message, path, report) => {
    if (!message.oneofCase(oneof)) report(path, `must have ${what}`);
  };
}
