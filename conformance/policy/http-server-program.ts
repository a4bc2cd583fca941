import { createServer } from 'node:http';

// Answers every request with its name, until it is told to end. Then it goes on for as long as others may still be led here, asks those whom it answers
// to come by another connection, and ends when all have left.

const { NAME = '', PORT = '', LINGER_MS = '0' } = process.env;
let isEnding = false;

const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
  request.resume();
  if (isEnding) response.setHeader('connection', 'close');
  response.end(NAME);
}).listen(Number(PORT));

process.on('SIGTERM', () => {
  isEnding = true;
  setTimeout(() => server.close(() => process.exit()), Number(LINGER_MS));
});
