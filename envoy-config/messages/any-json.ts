import type { DescMessage } from '@bufbuild/protobuf';
import {
  AnySchema,
  DurationSchema,
  FieldMaskSchema,
  isWrapperDesc,
  ListValueSchema,
  StructSchema,
  TimestampSchema,
  ValueSchema,
} from '@bufbuild/protobuf/wkt';

/** The key that says of what type the object is that a `google.protobuf.Any` is in JSON. */
export const TYPE_KEY = '@type';

const OWN_JSON: ReadonlySet<string> = new Set(
  [AnySchema, DurationSchema, FieldMaskSchema, ListValueSchema, StructSchema, TimestampSchema, ValueSchema].map(({ typeName }) => typeName),
);

/** Whether JSON has a form of its own for a type, which in an Any stands under `value` then. */
export function hasOwnJson(schema: DescMessage): boolean {
  return OWN_JSON.has(schema.typeName) || isWrapperDesc(schema);
}

/** Of a URL of a type: what follows the last slash, which is all that Envoy looks at. */
export function typeNameOf(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}

/** Types that hold a message as a Struct beside the name of its type. */
export function isTypedStruct(typeName: string): boolean {
  return typeName === 'xds.type.v3.TypedStruct' || typeName === 'udpa.type.v1.TypedStruct';
}
