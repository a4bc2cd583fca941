/** Where the text of a suite goes. */
export interface Streams {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
}
