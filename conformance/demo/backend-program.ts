import { createServer } from 'node:http';

/** What the examples' servers answer, by method and path. The Death Star does not survive what nobody should be able to ask of it. */
const ANSWERS: ReadonlyMap<string, { readonly status: number; readonly text: string }> = new Map([
  ['POST /v1/request-landing', { status: 200, text: 'Ship landed\n' }],
  ['PUT /v1/exhaust-port', { status: 503, text: 'Panic: deathstar exploded\n' }],
  ['GET /public', { status: 200, text: "{'val': 'this is public'}\n" }],
  ['GET /private', { status: 200, text: "{'val': 'this is private'}\n" }],
]);

const [, , port = ''] = process.argv;
const server = createServer((request, response) => {
  const { status, text } = ANSWERS.get(`${request.method} ${request.url}`) ?? { status: 404, text: 'nothing here\n' };
  request.resume().on('end', () => response.writeHead(status, { 'content-type': 'text/plain' }).end(text));
});
server.listen({ port: Number(port), host: '::' }, () => console.log('listening'));
