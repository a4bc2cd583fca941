import { z } from 'zod';

export const nodeRequest = z.discriminatedUnion('kind', [
  /** Answered once Envoy is connected to an agent that listens since a time after that, in milliseconds since 1970: {@link dialView}. */
  z.object({ kind: z.literal('until-dialled'), after: z.number() }),
  /** Mounts a small file system of its own over a folder. */
  z.object({ kind: z.literal('mount'), folder: z.string(), size: z.string() }),
  /** Writes a file until there is no room, and answers with its size. */
  z.object({ kind: z.literal('fill'), path: z.string() }),
  z.object({ kind: z.literal('remove'), path: z.string() }),
]);

/** What a test asks {@link file://./node-program.ts} for. */
export type NodeRequest = z.infer<typeof nodeRequest>;

/** How many milliseconds after the agent had made its socket Envoy was connected, give or take a poll. */
export const dialView = z.number();
export const sizeView = z.int();
