#!/usr/bin/env node
// Sets a checkout up. This file must parse and explain itself on any Node, so it holds nothing that an old one lacks and
// loads the rest only once the version is known to do.
const OLDEST_NODE = 20;

if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
  console.error(`set-up: Node ${process.versions.node} is too old: ${OLDEST_NODE} or newer is needed, see https://nodejs.org/en/download`);
  process.exitCode = 1;
} else {
  import('./setup.mjs').then(({ main }) => main(process.argv.slice(2)));
}
