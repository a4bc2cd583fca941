/** Messages that may stand in a `google.protobuf.Any` of anybody's config. */
export interface HarmlessGroup {
  readonly why: string;
  /** Full names. */
  readonly messages: readonly string[];
}
