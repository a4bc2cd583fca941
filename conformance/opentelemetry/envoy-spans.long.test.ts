import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { SLOT_OPTIONS, SlotScene } from '../../l7-filters/envoy/testing/slot-scene.ts';
import { httpSlot } from '../../l7-filters/envoy/testing/slots.ts';
import type { Tracing } from '../../model/index.ts';
import { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { requestHttp1 } from '../../testkit/http-request.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { freePort } from '../../testkit/ports.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { translateCollector } from '../../xds-server/translate/tracing.ts';
import { WITH_TIME_TO_BUILD } from '../lab/go-program.ts';
import { Collector } from './collector.ts';
import { collectorBinary } from './program.ts';

const PATIENTLY = { withinMs: 60_000 };
const CASES = (['grpc', 'http'] as const).flatMap((protocol) => [true, false].map((isSecure) => ({ protocol, isSecure })));

describe('Envoy tells a collector of requests', { ...needs('envoy', 'collector'), ...WITH_TIME_TO_BUILD }, () => {
  before(collectorBinary, WITH_TIME_TO_BUILD);

  for (const { protocol, isSecure } of CASES) {
    test(`by ${protocol}, ${isSecure ? 'with' : 'without'} TLS, by the name of its host, with headers`, async () => {
      using folder = new TemporaryFolder();
      const made = makeCertificate({ names: ['localhost'] });
      const tls = { cert: folder.join('collector.crt'), key: folder.join('collector.key') };
      writeFileSync(tls.cert, made.certificate);
      writeFileSync(tls.key, made.privateKey);
      const ports = { grpc: await freePort(), http: await freePort() };
      await using collector = await Collector.start({
        folder: folder.path,
        spawn: ([program = '', ...args]) => spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }),
        address: '127.0.0.1',
        ports,
        ...(isSecure && { tls }),
      });
      await using backend = await Backend.start({ name: 'web' });
      const token = protocol === 'http' ? 'from%20Envoy' : 'from Envoy';
      const tracing: Tracing = {
        sampling: 100,
        serviceName: 'edge',
        collector: {
          endpoint: `${isSecure ? 'https' : 'http'}://localhost:${ports[protocol]}`,
          protocol,
          headers: { 'X-Token': token },
          certificateAuthorities: tls.cert,
        },
      };
      const port = await freePort();
      const slot = httpSlot('told', [{ path: '/' }]);
      const options = { ...SLOT_OPTIONS, tracing };
      await using scene = await SlotScene.start([
        { slot, port, backendPort: backend.port, options, others: [translateCollector(tracing.collector)] },
      ]);
      await eventually(async () => {
        assert.deepEqual(scene.refusals, []);
        assert.equal((await requestHttp1({ port, host: 'web.test' })).status, 200);
      }, PATIENTLY);
      await eventually(() => assert.ok(collector.spans.some(({ kind }) => kind === 'server')), PATIENTLY);
      assert.equal(collector.spans[0]?.resource['service.name'], 'edge');
      assert.deepEqual([...collector.tokens], [token]);
    });
  }
});
