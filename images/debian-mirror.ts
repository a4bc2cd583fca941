import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ImageError } from './plain-root.ts';

/**
 * Where this machine's apt gets the packages of a release of Debian, such as `bookworm`.
 * @throws ImageError `no-mirror`
 */
export async function mirrorOf(release: string): Promise<string> {
  const args = ['indextargets', '--format', '$(REPO_URI) $(RELEASE) $(COMPONENT)', 'Created-By: Packages'];
  const { stdout } = await promisify(execFile)('apt-get', args).catch(() => ({ stdout: '' }));
  for (const line of stdout.split('\n')) {
    const [mirror, suite, component] = line.split(' ');
    if (mirror && suite === release && component === 'main') return mirror;
  }
  throw new ImageError('no-mirror', `apt has no mirror of Debian ${release}: add one to its sources, see sources.list(5)`);
}
