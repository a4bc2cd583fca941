// Asks an address by TCP and by UDP, and tells whom it believes to have asked.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';

const [address = '', port = ''] = process.argv.slice(2);

const connection = connect(Number(port), address);
await once(connection, 'connect');
const tcp = `${connection.remoteAddress}:${connection.remotePort}`;
connection.destroy();

const socket = createSocket('udp4');
socket.send('hello', Number(port), address);
const [message, from] = await once(socket, 'message');
socket.close();
console.log(JSON.stringify({ tcp, udp: `${from.address}:${from.port}`, message: String(message) }));
