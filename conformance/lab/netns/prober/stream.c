#include "prober.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVERY_MS 5
#define PIECE 256

/* Sends a piece, waits until it has come back, and a little, and sends the next. */
struct stream {
	struct watch watch;
	int number;
	/* Whoever waits to hear that it is open; empty afterwards. */
	char opener[24];
	bool is_open;
	/* Not there any more, why does not matter to the kernel: an error number, or 0. */
	int error;
	bool is_broken;
	uint64_t bytes;
	int64_t heard;
	size_t outstanding;
	struct stream *other;
};

static struct stream *streams;

static void broken(struct stream *stream, int error)
{
	if (*stream->opener)
		answer(stream->opener, "%s", outcome_of(error));
	*stream->opener = 0;
	stream->is_broken = true;
	stream->error = error;
	watch_remove(&stream->watch);
}

static void send_piece(struct stream *stream)
{
	static const char piece[PIECE];
	stream->watch.deadline = 0;
	if (send(stream->watch.fd, piece, sizeof(piece), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(piece))
		return broken(stream, errno);
	stream->outstanding = sizeof(piece);
}

static void expired(struct watch *watch)
{
	struct stream *stream = (struct stream *)watch;
	if (stream->is_open)
		send_piece(stream);
	else
		broken(stream, ETIMEDOUT);
}

static void ready(struct watch *watch, uint32_t events)
{
	struct stream *stream = (struct stream *)watch;
	char read[PIECE];
	int error = 0;
	socklen_t length = sizeof(error);
	(void)events;
	if (getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error != 0)
		return broken(stream, error);
	if (!stream->is_open) {
		stream->is_open = true;
		answer(stream->opener, "opened %d", stream->number);
		*stream->opener = 0;
		stream->heard = now();
		watch_change(watch, EPOLLIN);
		return send_piece(stream);
	}
	ssize_t size = recv(watch->fd, read, sizeof(read), MSG_DONTWAIT);
	if (size < 0 && errno == EAGAIN)
		return;
	if (size <= 0)
		return broken(stream, size == 0 ? EPIPE : errno);
	stream->bytes += size;
	stream->heard = now();
	stream->outstanding -= size;
	if (stream->outstanding == 0)
		watch->deadline = now() + EVERY_MS;
}

void stream_open(const char *id, const struct address *to, const struct address *from, int timeout_ms)
{
	static int last;
	struct stream *stream = calloc(1, sizeof(*stream));
	unsigned int timeout = timeout_ms;
	if (!stream)
		die("stream");
	snprintf(stream->opener, sizeof(stream->opener), "%s", id);
	stream->number = ++last;
	stream->other = streams;
	streams = stream;
	stream->watch = (struct watch){
		.fd = socket(to->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
		.ready = ready,
		.deadline = now() + timeout_ms,
		.expired = expired,
	};
	if (stream->watch.fd < 0)
		die("socket");
	/* What is not acknowledged for so long breaks it. */
	setsockopt(stream->watch.fd, SOL_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
	watch_add(&stream->watch, EPOLLOUT);
	if (from->length && bind(stream->watch.fd, (const struct sockaddr *)&from->storage, from->length))
		return broken(stream, errno);
	if (connect(stream->watch.fd, (const struct sockaddr *)&to->storage, to->length) && errno != EINPROGRESS)
		broken(stream, errno);
}

void stream_tell(const char *id, int number)
{
	for (struct stream *stream = streams; stream; stream = stream->other)
		if (stream->number == number)
			return answer(id, "%llu %s %lld", (unsigned long long)stream->bytes,
				      stream->is_broken ? strerrorname_np(stream->error) : "open", (long long)(now() - stream->heard));
	answer(id, "error no such stream");
}

void stream_close(const char *id, int number)
{
	for (struct stream **place = &streams; *place; place = &(*place)->other) {
		struct stream *stream = *place;
		if (stream->number != number)
			continue;
		*place = stream->other;
		if (!stream->is_broken)
			watch_remove(&stream->watch);
		free(stream);
		return answer(id, "done");
	}
	answer(id, "error no such stream");
}
