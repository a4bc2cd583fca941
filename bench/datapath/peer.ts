// One end of what is measured, in a pod: echoes, swallows, or asks. Told by messages; each is answered once.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export type PeerTask =
  | { readonly kind: 'serve'; readonly echoPort: number; readonly sinkPort: number }
  /** Microseconds from a byte sent to its echo. */
  | { readonly kind: 'round-trips'; readonly host: string; readonly port: number; readonly samples: number }
  /** Microseconds from asking for a connection to having it. */
  | { readonly kind: 'connections'; readonly host: string; readonly port: number; readonly samples: number }
  /** Gigabits a second, once. */
  | { readonly kind: 'throughput'; readonly host: string; readonly port: number; readonly bytes: number };

const WARM_UP = 20;
const CHUNK = Buffer.alloc(256 * 1024);

process.on('message', (task: PeerTask) => {
  void perform(task).then((figures) => process.send?.(figures));
});

function perform(task: PeerTask): Promise<readonly number[]> {
  switch (task.kind) {
    case 'serve':
      return serve(task);
    case 'round-trips':
      return measureRoundTrips(task);
    case 'connections':
      return measureConnections(task);
    case 'throughput':
      return measureThroughput(task);
  }
}

async function serve({ echoPort, sinkPort }: Extract<PeerTask, { kind: 'serve' }>): Promise<readonly number[]> {
  const echo = createServer({ noDelay: true }, (socket) => socket.on('error', () => {}).pipe(socket));
  // Says so when all is there: the other side ends its half then.
  const sink = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {}).resume();
    socket.on('end', () => socket.end('.'));
  });
  await once(echo.listen(echoPort, '::'), 'listening');
  await once(sink.listen(sinkPort, '::'), 'listening');
  return [];
}

async function opened(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

async function measureRoundTrips({ host, port, samples }: Extract<PeerTask, { kind: 'round-trips' }>): Promise<readonly number[]> {
  const socket = await opened(host, port);
  const figures: number[] = [];
  await new Promise<void>((resolve) => {
    let sent = 0n;
    const send = () => {
      sent = process.hrtime.bigint();
      socket.write('.');
    };
    socket.on('data', () => {
      figures.push(Number(process.hrtime.bigint() - sent) / 1_000);
      if (figures.length === samples + WARM_UP) resolve();
      else send();
    });
    send();
  });
  socket.destroy();
  return figures.slice(WARM_UP);
}

async function measureConnections({ host, port, samples }: Extract<PeerTask, { kind: 'connections' }>): Promise<readonly number[]> {
  const figures: number[] = [];
  for (let index = 0; index < samples; index += 1) {
    const asked = process.hrtime.bigint();
    const socket = await opened(host, port);
    figures.push(Number(process.hrtime.bigint() - asked) / 1_000);
    socket.resetAndDestroy();
  }
  return figures;
}

async function measureThroughput({ host, port, bytes }: Extract<PeerTask, { kind: 'throughput' }>): Promise<readonly number[]> {
  const socket = await opened(host, port);
  const begun = process.hrtime.bigint();
  for (let sent = 0; sent < bytes; sent += CHUNK.byteLength) if (!socket.write(CHUNK)) await once(socket, 'drain');
  socket.end();
  await once(socket, 'data');
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  socket.destroy();
  return [(bytes * 8) / 1e9 / seconds];
}
