import { create } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import type { FieldMask } from '@bufbuild/protobuf/wkt';
import { type Flow as FlowMessage, FlowSchema } from '@sluice/envoy-protos/hubble/flow_pb.js';

/** Fields that are wanted, by the names that the proto has, each with those in it that are. */
export class Mask {
  /** None: all of it is wanted. */
  readonly fields = new Map<string, Mask>();

  add([name, ...rest]: readonly string[]): void {
    if (name === undefined) return;
    const known = this.fields.get(name);
    // Whoever wants all of it wants a part of it, too.
    if (known?.fields.size === 0) return;
    const field = rest.length === 0 || !known ? new Mask() : known;
    this.fields.set(name, field);
    field.add(rest);
  }
}

/**
 * A path that flows here do not have is of no matter: clients name all that they might show.
 * @returns undefined where all fields are wanted
 */
export function readMask(mask: FieldMask | undefined): Mask | undefined {
  if (!mask || mask.paths.length === 0) return undefined;
  const root = new Mask();
  for (const path of mask.paths) root.add(path.split('.'));
  return root;
}

/** A flow with nothing but the fields that are wanted. */
export function maskFlow(message: FlowMessage, mask: Mask): FlowMessage {
  const shown = create(FlowSchema);
  copy(reflect(FlowSchema, message), reflect(FlowSchema, shown), mask);
  return shown;
}

function copy(from: ReflectMessage, to: ReflectMessage, mask: Mask): void {
  for (const field of from.fields) {
    const inside = mask.fields.get(field.name);
    if (!inside || !from.isSet(field)) continue;
    if (inside.fields.size === 0 || field.fieldKind !== 'message') {
      to.set(field, from.get(field));
      continue;
    }
    const part = reflect(field.message);
    copy(from.get(field), part, inside);
    to.set(field, part);
  }
}
