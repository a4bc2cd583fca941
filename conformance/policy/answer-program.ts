import { createSocket } from 'node:dgram';
import { createServer, type Socket } from 'node:net';

// Answers at ports with its name, by TCP and UDP; at those of which the environment says so, goes on and on. It does not end
// when it is asked to, so that it is still there while its pod ends.

const TICK_MS = 50;
const { NAME = '', PORTS = '', STREAM_PORTS = '' } = process.env;

process.on('SIGTERM', () => {});
for (const port of portsOf(PORTS)) {
  listen(port, (socket) => socket.end(NAME));
  const udp = createSocket('udp4', (_, peer) => udp.send(NAME, peer.port, peer.address));
  udp.bind(port);
}
for (const port of portsOf(STREAM_PORTS)) {
  listen(port, (socket) => {
    const timer = setInterval(() => socket.write('.'), TICK_MS);
    socket.on('close', () => clearInterval(timer));
  });
}

function portsOf(text: string): readonly number[] {
  return text
    .split(',')
    .filter((port) => port !== '')
    .map(Number);
}

/** Whoever probes it leaves before it has answered. */
function listen(port: number, onConnection: (socket: Socket) => void): void {
  createServer((socket) => {
    socket.on('error', () => {});
    onConnection(socket);
  }).listen(port);
}
