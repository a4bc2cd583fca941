import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { testTalks } from './testing/steered-talks.ts';

enterOwnNamespaces();

testTalks('bridged');
