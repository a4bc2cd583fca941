/** What an operator has to list before a config may say it. */
export interface Privilege {
  readonly why: string;
  /** It would take policy from the kernel, so that no list lets it in. */
  readonly never?: true;
}

export interface PrivilegedGroup extends Privilege {
  /** Full names of messages, or of fields as `Message.field`. */
  readonly names: readonly string[];
}
