/*
 * A place's own clients and servers. It takes commands as lines on its standard input, `ID COMMAND ARGUMENT…`, does many of them at
 * once, and answers each with a line `ID ANSWER…`. It ends with its standard input.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <netinet/in.h>

enum protocol { TCP, UDP, ICMP };

/* One file descriptor that is waited for, and what is done when something happens to it, or nothing does until a moment. */
struct watch {
	int fd;
	void (*ready)(struct watch *watch, uint32_t events);
	/* Milliseconds of the monotonic clock; 0 for never. */
	int64_t deadline;
	void (*expired)(struct watch *watch);
	struct watch *next;
	struct watch *previous;
};

struct address {
	struct sockaddr_storage storage;
	socklen_t length;
};

/* loop.c */
int64_t now(void);
void watch_add(struct watch *watch, uint32_t events);
void watch_change(struct watch *watch, uint32_t events);
/* Closes the descriptor too. */
void watch_remove(struct watch *watch);
void loop_run(void);
/* A line on standard output, by printf's rules. */
void answer(const char *id, const char *format, ...) __attribute__((format(printf, 2, 3)));
void die(const char *what) __attribute__((noreturn));
/* What an error of a socket means to whoever asked: `refused`, `unreachable` or `timedOut`. */
const char *outcome_of(int error);
bool address_read(struct address *address, const char *text, int port);

/* serve.c: echo servers, on every address of both families. Each gives an error number. */
int serve(enum protocol protocol, int port);
int serve_no_more(enum protocol protocol, int port);

/* probe.c */
void probe(const char *id, enum protocol protocol, const struct address *to, const struct address *from, int timeout_ms);

/* stream.c: connections that never end by themselves. */
void stream_open(const char *id, const struct address *to, const struct address *from, int timeout_ms);
void stream_tell(const char *id, int number);
void stream_close(const char *id, int number);

/* packets.c: what no socket would send, and all that arrives. */
void packet_send(const char *id, const char *hex);
void frame_send(const char *id, const char *device, const char *hex);
void capture_start(const char *id);
void capture_count(const char *id, const char *hex);
