import { createProgress } from '../../setup/progress.mjs';
import { labBinary } from './binary.ts';

await createProgress().step('lab', async (report) => {
  let isBuilt = false;
  await labBinary((what) => {
    isBuilt = true;
    report(what);
  });
  return { changed: isBuilt };
});
