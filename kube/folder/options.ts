/** What a folder may hold. What goes beyond is refused with a diagnostic, and its neighbours are read. */
export interface FolderLimits {
  /** Bytes of a file; a larger one is not read at all. */
  readonly fileBytes: number;
  /** Characters of a document. One document is decoded in one go, about 100 ms a megabyte, in up to 50 times its size of memory. */
  readonly documentChars: number;
  /** Documents of a file, empty ones included, and objects in a list. */
  readonly documents: number;
  /** Values of an object, in all its lists and mappings. The API server takes no object of more than about half as many. */
  readonly objectValues: number;
  /** How deep lists and mappings may nest. */
  readonly depth: number;
  /** How many values a document may gain by its aliases. */
  readonly aliasedValues: number;
}

export const DEFAULT_LIMITS: FolderLimits = {
  fileBytes: 16 * 1024 * 1024,
  documentChars: 4 * 1024 * 1024,
  documents: 50_000,
  objectValues: 250_000,
  depth: 100,
  aliasedValues: 10_000,
};

/** When what is seen is believed; milliseconds. */
export interface FolderTiming {
  /** A batch is taken when nothing has happened for this long … */
  readonly quiet: number;
  /** … or this long after its first event, whatever goes on. */
  readonly maxQuiet: number;
  /** What loses objects or looks half-written is believed once it has stood for this long. */
  readonly settle: number;
  /** Losses wait for one another, because they come in rows, but not longer than this. */
  readonly maxSettle: number;
  /** After a folder has come back, losses are believed once nothing has happened in it for this long. */
  readonly comeback: number;
  /** … but this long after it came back at the latest. */
  readonly maxComeback: number;
  /** All files are compared by size and time this often, in case that an event was lost. */
  readonly rescan: number;
  /** The same where the system cannot watch a folder. */
  readonly unwatchedRescan: number;
}

export const DEFAULT_TIMING: FolderTiming = {
  quiet: 5,
  maxQuiet: 50,
  settle: 300,
  maxSettle: 2000,
  comeback: 1000,
  maxComeback: 10_000,
  rescan: 10_000,
  unwatchedRescan: 1000,
};

export interface FolderOptions {
  readonly limits?: Partial<FolderLimits>;
  readonly timing?: Partial<FolderTiming>;
}
