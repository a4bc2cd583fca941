import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { CORE_SCHEMA, load } from 'js-yaml';
import { z } from 'zod';
import { CredentialsError } from './credentials.ts';

const text = z
  .string()
  .nullish()
  .transform((value) => value || undefined);

const cluster = z.object({
  server: z.url({ protocol: /^https$/ }),
  'certificate-authority': text,
  'certificate-authority-data': text,
  'insecure-skip-tls-verify': z.boolean().nullish(),
  'tls-server-name': text,
  'proxy-url': text,
});

const exec = z.object({
  apiVersion: z.enum(['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1']),
  command: z.string().min(1),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
  provideClusterInfo: z.boolean().nullish(),
});

const user = z.object({
  'client-certificate': text,
  'client-certificate-data': text,
  'client-key': text,
  'client-key-data': text,
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  as: text,
  'as-uid': text,
  'as-groups': z.array(z.string()).nullish(),
  'as-user-extra': z.record(z.string(), z.array(z.string())).nullish(),
  exec: exec.nullish(),
});

const named = z.object({ name: z.string() }).loose();
const context = z.object({ cluster: z.string(), user: text });
const file = z.object({
  clusters: z.array(named).nullish(),
  users: z.array(named).nullish(),
  contexts: z.array(named).nullish(),
  'current-context': text,
});

export type KubeconfigCluster = z.output<typeof cluster>;
export type KubeconfigUser = z.output<typeof user>;
export type KubeconfigExec = z.output<typeof exec>;

/** A cluster and a user of kubeconfig files; the names of files in them are absolute. */
export interface KubeconfigChoice {
  readonly cluster: KubeconfigCluster;
  readonly user: KubeconfigUser;
}

/** A kubeconfig's text, and where it stands. */
export interface KubeconfigText {
  readonly path: string;
  readonly text: string;
}

/** Those of KUBECONFIG that exist, else `~/.kube/config` if it does. @throws CredentialsError `unreadable` */
export function readKubeconfigs(environment: NodeJS.ProcessEnv): readonly KubeconfigText[] {
  const paths = (environment['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '');
  if (paths.length === 0) paths.push(join(homedir(), '.kube', 'config'));
  return paths.flatMap((path) => {
    try {
      return [{ path, text: readFileSync(path, 'utf8') }];
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return [];
      throw new CredentialsError('unreadable', `${path} cannot be read`, { cause });
    }
  });
}

/**
 * Of several files the first that says something counts, by name of what it is about, as kubectl has it.
 * @param wanted the context; default is the current one
 * @throws CredentialsError `invalid`; its message holds no value of a file, only names
 * @see https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 */
export function chooseFromKubeconfigs(texts: readonly KubeconfigText[], wanted?: string): KubeconfigChoice {
  const files = texts.map(({ path, text }) => ({ path, content: check(file, decode(path, text), path) }));
  const find = (list: 'clusters' | 'users' | 'contexts', name: string, key: string) => {
    for (const { path, content } of files) {
      const entry = content[list]?.find((candidate) => candidate.name === name);
      if (entry) return { path, value: entry[key] ?? {} };
    }
    throw new CredentialsError('invalid', `the kubeconfig has no ${key} ${JSON.stringify(name)}`);
  };
  const current = wanted ?? files.find(({ content }) => content['current-context'])?.content['current-context'];
  if (current === undefined) throw new CredentialsError('invalid', 'the kubeconfig has no current context');
  const chosen = find('contexts', current, 'context');
  const names = check(context, chosen.value, chosen.path);
  const foundCluster = find('clusters', names.cluster, 'cluster');
  const foundUser = names.user === undefined ? { path: chosen.path, value: {} } : find('users', names.user, 'user');
  const choice = {
    cluster: absolute(check(cluster, foundCluster.value, foundCluster.path), foundCluster.path, ['certificate-authority']),
    user: absolute(check(user, foundUser.value, foundUser.path), foundUser.path, ['client-certificate', 'client-key', 'tokenFile']),
  };
  if (choice.cluster['proxy-url'] !== undefined) throw new CredentialsError('invalid', `${foundCluster.path}: proxy-url is not supported`);
  return choice;
}

function decode(path: string, text: string): unknown {
  try {
    return load(text, { schema: CORE_SCHEMA }) ?? {};
  } catch {
    // The parser's message quotes the text, which may be a token.
    throw new CredentialsError('invalid', `${path} is not YAML`);
  }
}

function check<T extends z.ZodType>(view: T, value: unknown, path: string): z.output<T> {
  const seen = view.safeParse(value);
  if (seen.success) return seen.data;
  const places = seen.error.issues.map((issue) => issue.path.map(String).join('.') || 'the whole');
  throw new CredentialsError('invalid', `${path}: wrong or missing: ${[...new Set(places)].join(', ')}`);
}

function absolute<T extends object>(value: T, path: string, keys: readonly (keyof T)[]): T {
  const copy = { ...value };
  for (const key of keys) {
    const name = copy[key];
    if (typeof name === 'string') Object.assign(copy, { [key]: resolve(dirname(path), name) });
  }
  return copy;
}
