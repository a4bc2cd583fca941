import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { eventually } from '../../testkit/eventually.ts';
import { SlotsScene } from '../../testkit/slots-scene.ts';
import { addressOf, HTTP, LISTENER, listenerSlot, policy, RULES, ruleSlot, SERVICE, SLICE, WEB } from '../../testkit/taken-service.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { EXTENSION_CONFIG_TYPE } from '../../xds-server/serve/index.ts';
import { copyName } from './listener-copies.ts';
import { PROXY_PORTS } from './proxy-ports.ts';

const COPY = copyName(LISTENER, RULES, false);
const FILTER = modelResource(EXTENSION_CONFIG_TYPE, RULES, '1');
const AROUND = [ruleSlot(RULES), SERVICE, SLICE, addressOf(WEB), policy(RULES)];

function listener(statPrefix: string) {
  return listenerSlot({ listener: Buffer.concat([HTTP, toBinary(ListenerSchema, create(ListenerSchema, { statPrefix }))]) });
}

/** What a node is told: that its Envoy refuses a word in copies of a listener, and another in the listener, too. */
function refusing() {
  return SlotsScene.open({
    filters: [RULES],
    refuses: ({ resources }) => {
      const refused = resources.some(({ name, resource }) => {
        const bytes = Buffer.from(resource?.value ?? []);
        return bytes.includes('bad') || (bytes.includes('odd') && name.endsWith(COPY));
      });
      return refused ? 'no' : undefined;
    },
  });
}

test('a copy that Envoy refuses is met by nobody, and what is said of its listener says so', async () => {
  await using scene = await refusing();
  for (let port = PROXY_PORTS.first; port < PROXY_PORTS.first + 3; port++) scene.listening.add(port);
  scene.startEnforcer();
  scene.startEnvoy();
  const publish = (word: string) => {
    const slot = listener(word);
    scene.publish({ filters: [FILTER], policies: [slot, ...AROUND] });
    return slot.version;
  };
  const isReady = () => Object.fromEntries(scene.slots.state().map(({ name, isReady }) => [name, isReady]));
  const settles = (ready: object, accepted: object, refused: object) =>
    eventually(() => {
      assert.deepEqual(isReady(), ready);
      const held = scene.slots.holdings();
      assert.deepEqual([Object.fromEntries(held.accepted), Object.fromEntries(held.refused)], [accepted, refused]);
      assert.deepEqual(scene.holdings, held, 'who is to hear of that has heard it');
    });
  const all = { [LISTENER]: true, [RULES]: true, [COPY]: true };
  const first = publish('first');
  await settles(all, { [LISTENER]: first }, {});
  const odd = publish('odd');
  await settles({ ...all, [COPY]: false }, { [LISTENER]: odd }, { [LISTENER]: { version: odd, message: 'no' } });
  assert.deepEqual(scene.refusals, new Map([[`sluice.copies/${LISTENER}`, 'no']]));
  await scene.isTold(`enforcer +Redirect ${COPY} ready false`);
  const second = publish('second');
  await settles(all, { [LISTENER]: second }, {});
  // Refused both, each stays what it was, as all of the config will be.
  const bad = publish('bad');
  await settles(all, {}, { [LISTENER]: { version: bad, message: 'no' } });
  assert.deepEqual([...scene.refusals.keys()], [`sluice.slot/${LISTENER}`]);
  const third = publish('third');
  await settles(all, { [LISTENER]: third }, {});
});
