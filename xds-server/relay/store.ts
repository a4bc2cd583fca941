import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Resource, ResourceName } from '../serve/index.ts';
import { decodeLog, encodeRecord, type StoreRecord } from './record.ts';

/**
 * - `damaged`: parts of the log could not be read, and what they held is missing or older.
 * - `failing`: what Envoy accepts cannot be written down, such as on a full disk; it is tried again.
 * - `recovered`: everything is written down again.
 */
export type StoreEvent =
  | { readonly kind: 'damaged'; readonly parts: number }
  | { readonly kind: 'failing'; readonly message: string }
  | { readonly kind: 'recovered' };

export interface RelayStoreOptions {
  /** Made if absent, and readable by its owner only, since certificates' keys are in it. */
  readonly folder: string;
  readonly onEvent?: (event: StoreEvent) => void;
  /** How long changes are gathered before they are written, in milliseconds. Default 50. */
  readonly gatherMs?: number;
  /** How long to wait after a failure, in milliseconds. Default 5000. */
  readonly retryMs?: number;
}

const FILE = /^resources\.(?<generation>\d+)\.(?<id>[0-9a-f]+)\.log$/;
const CHUNK_BYTES = 1024 * 1024;
/** A log is written anew when more than half of it, and more than this, is out of date. */
const SLACK_BYTES = 4 * 1024 * 1024;

interface Log {
  readonly path: string;
  readonly id: string;
  readonly generation: number;
}

/**
 * The resources that Envoy accepted last, in a folder: a log to which changes are appended, and which is written anew when
 * most of it is out of date. A change is on its way to the disk (`fdatasync`) `gatherMs` after it was made, and is not
 * waited for: a process that is killed loses at most what it had not written, a machine that loses power what was not yet
 * synced, and never what was there before. What is lost is asked of the controller again.
 *
 * Holds everything in memory too, and goes on with that alone while the disk fails.
 */
export class RelayStore {
  readonly #options: RelayStoreOptions;
  readonly #resources = new Map<string, Resource>();
  /** What is yet to be written, by key. */
  readonly #changed = new Map<string, ResourceName>();
  #log: Log;
  #file: FileHandle | undefined;
  /** Where the next record is written. */
  #end = 0;
  #isFailing = false;
  /** The log has parts that cannot be read, so it is to be written anew. */
  #isDamaged = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(options: RelayStoreOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  /**
   * Reads what is there.
   * @throws the system's error if the folder cannot be made or read
   */
  static open(options: RelayStoreOptions): RelayStore {
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    chmodSync(options.folder, 0o700);
    const logs = readdirSync(options.folder)
      .flatMap((file) => logOf(options.folder, file))
      .sort((a, b) => b.generation - a.generation);
    const [log, ...older] = logs;
    const store = new RelayStore(options, log ?? newLog(options.folder, 1));
    if (log) store.#load();
    for (const { path } of older) rmSync(path, { force: true });
    for (const file of readdirSync(options.folder)) if (file.endsWith('.new')) rmSync(join(options.folder, file), { force: true });
    return store;
  }

  /** Everything that is stored. */
  resources(): Iterable<Resource> {
    return this.#resources.values();
  }

  get(name: ResourceName): Resource | undefined {
    return this.#resources.get(keyOf(name));
  }

  /** Whether all is written down, or about to be. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  put(resource: Resource): void {
    const key = keyOf(resource);
    if (this.#resources.get(key)?.version === resource.version) return;
    this.#resources.set(key, resource);
    this.#change(key, resource);
  }

  delete(name: ResourceName): void {
    const key = keyOf(name);
    if (this.#resources.delete(key)) this.#change(key, name);
  }

  /** Resolves when everything is written down, or could not be. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
    await this.#writing;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.flush();
    clearTimeout(this.#timer);
    await this.#file?.close();
    this.#file = undefined;
  }

  #load(): void {
    const { records, end, damaged } = decodeLog(this.#log.id, readFileSync(this.#log.path));
    for (const record of records) {
      if (record.kind === 'put') this.#resources.set(keyOf(record.resource), record.resource);
      else this.#resources.delete(keyOf(record.name));
    }
    this.#end = end;
    if (damaged === 0) return;
    this.#options.onEvent?.({ kind: 'damaged', parts: damaged });
    this.#isDamaged = true;
    this.#writeIn(0);
  }

  #change(key: string, { typeUrl, name }: ResourceName): void {
    this.#changed.set(key, { typeUrl, name });
    if (!this.#isFailing) this.#writeIn(this.#options.gatherMs ?? 50);
  }

  #writeIn(milliseconds: number): void {
    if (this.#isClosed) return;
    this.#timer ??= setTimeout(() => {
      this.flush();
    }, milliseconds).unref();
  }

  async #write(): Promise<void> {
    if (this.#changed.size === 0 && !this.#isDamaged) return;
    const names = [...this.#changed.values()];
    this.#changed.clear();
    try {
      await this.#append(names);
      if (this.#isDamaged || this.#isSlack()) await this.#compact();
      this.#isDamaged = false;
      if (this.#isFailing) this.#options.onEvent?.({ kind: 'recovered' });
      this.#isFailing = false;
    } catch (error) {
      for (const name of names) this.#changed.set(keyOf(name), name);
      await this.#failed(error);
    }
  }

  async #append(names: readonly ResourceName[]): Promise<void> {
    this.#file ??= await this.#openLog();
    const end = await writeRecords(this.#file, this.#end, this.#log.id, this.#recordsOf(names));
    await this.#file.datasync();
    this.#end = end;
  }

  /** The log is cut where its last whole record ends, so that nothing stands behind a torn one. */
  async #openLog(): Promise<FileHandle> {
    const file = await open(this.#log.path, this.#end === 0 ? 'w' : 'r+', 0o600);
    await file.truncate(this.#end);
    return file;
  }

  /** A new log gets its name once it is whole. */
  async #compact(): Promise<void> {
    const log = newLog(this.#options.folder, this.#log.generation + 1);
    const temporary = `${log.path}.new`;
    const file = await open(temporary, 'w', 0o600);
    try {
      const names = [...this.#resources.values()];
      const end = await writeRecords(file, 0, log.id, this.#recordsOf(names));
      await file.datasync();
      await rename(temporary, log.path);
      await syncFolder(this.#options.folder);
      const before = { log: this.#log, file: this.#file };
      this.#log = log;
      this.#file = file;
      this.#end = end;
      await before.file?.close();
      await rm(before.log.path, { force: true });
    } catch (error) {
      if (this.#file !== file) await file.close();
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async #failed(error: unknown): Promise<void> {
    const { onEvent, retryMs = 5_000 } = this.#options;
    if (!this.#isFailing) onEvent?.({ kind: 'failing', message: error instanceof Error ? error.message : String(error) });
    this.#isFailing = true;
    // Opening it again cuts off what was written by half.
    await this.#file?.close().catch(() => {});
    this.#file = undefined;
    this.#writeIn(retryMs);
  }

  *#recordsOf(names: Iterable<ResourceName>): Iterable<StoreRecord> {
    for (const name of names) {
      const resource = this.#resources.get(keyOf(name));
      yield resource ? { kind: 'put', resource } : { kind: 'delete', name };
    }
  }

  #isSlack(): boolean {
    if (this.#end <= SLACK_BYTES) return false;
    let live = 0;
    for (const { body } of this.#resources.values()) live += body.length;
    return this.#end > 2 * live + SLACK_BYTES;
  }
}

/** @returns where the last record ends */
async function writeRecords(file: FileHandle, start: number, logId: string, records: Iterable<StoreRecord>): Promise<number> {
  let at = start;
  let chunk: Buffer[] = [];
  let bytes = 0;
  const writeChunk = async () => {
    const buffer = Buffer.concat(chunk);
    for (let done = 0; done < buffer.length; ) {
      const { bytesWritten } = await file.write(buffer, done, buffer.length - done, at + done);
      done += bytesWritten;
    }
    at += buffer.length;
    chunk = [];
    bytes = 0;
  };
  for (const record of records) {
    const encoded = encodeRecord(logId, record);
    chunk.push(encoded);
    bytes += encoded.length;
    if (bytes >= CHUNK_BYTES) await writeChunk();
  }
  await writeChunk();
  return at;
}

/** Only then does a file that was renamed keep its name when the machine loses power. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}

function keyOf({ typeUrl, name }: ResourceName): string {
  return `${typeUrl}\0${name}`;
}

function newLog(folder: string, generation: number): Log {
  const id = randomBytes(16).toString('hex');
  return { path: join(folder, `resources.${generation}.${id}.log`), id, generation };
}

function logOf(folder: string, file: string): Log[] {
  const { generation, id } = FILE.exec(file)?.groups ?? {};
  return generation && id ? [{ path: join(folder, file), id, generation: Number(generation) }] : [];
}
