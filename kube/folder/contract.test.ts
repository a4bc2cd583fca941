import { rm, writeFile } from 'node:fs/promises';
import { objectKey } from '../../model/index.ts';
import { describeObjectSource, type ObjectPlace } from '../../testkit/object-source-contract.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { FolderSource } from './index.ts';

describeObjectSource('FolderSource', async (): Promise<ObjectPlace> => {
  const folder = new TemporaryFolder();
  const fileOf = (key: string) => folder.join(`${key.replaceAll('/', '_')}.json`);
  return {
    source: new FolderSource(folder.path),
    put: (manifest) => {
      const { name, namespace = 'default' } = manifest.metadata;
      return writeFile(fileOf(objectKey({ kind: manifest.kind, namespace, name })), JSON.stringify(manifest));
    },
    remove: (ref) => rm(fileOf(objectKey(ref))),
    [Symbol.asyncDispose]: async () => folder.dispose(),
  };
});
