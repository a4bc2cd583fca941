/** What is run for an image name; the first row that matches counts. */
export interface ImageRow {
  /** REPOSITORY:TAG, with `*` for any part of a name between slashes. A tag of only `*` matches digests, too. */
  readonly match: string;
  /** The folder that holds the image's content, absolute. Default: this machine's own root. It is never written to. */
  readonly root?: string;
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  /** `NAME=VALUE` */
  readonly env?: readonly string[];
  /** As in a Dockerfile: a name or number, and a group after a colon. Default: root. */
  readonly user?: string;
  readonly workingDir?: string;
  /** What is laid over the content, read-only: by path in the container, the path on this machine. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Where the lab's binary is found inside a lab, see `kubernetes/plan`. */
const BINARY = '/run/lab/bin/lab';

/** A program of the lab's own binary. */
function component(match: string, name: string): ImageRow {
  return { match, entrypoint: ['/usr/local/bin/lab', name], user: '65532:65532', files: { '/usr/local/bin/lab': BINARY } };
}

/** The images that every lab has. */
export const IMAGES: readonly ImageRow[] = [
  component('k8s.gcr.io/ingressconformance/echoserver:*', 'echo'),
  component('registry.k8s.io/ingressconformance/echoserver:*', 'echo'),
  component('lab/echo:*', 'echo'),
  { match: 'lab/host:*', entrypoint: ['/bin/sh'], cmd: ['-c', 'sleep infinity'] },
];
