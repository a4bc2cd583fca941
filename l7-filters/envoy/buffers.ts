/**
 * The limit of bytes, of either side's connections, with which a TCP proxy reads no more from one side before it has written to the other what it read.
 *
 * With more, it reads the client's end while some of what the client sent still waits for the server; and once the server has ended, too, Envoy
 * closes the client's connection as its own doing, upon which the TCP proxy lets go of the server's with what waits there.
 */
export const NOTHING_WAITS = 1;
