// Loads an object and ends.

import { ObjectSpec } from '../index.ts';

const [path = ''] = process.argv.slice(2);
using spec = ObjectSpec.open(path);
using _loaded = await spec.load();
