#include "prober.h"
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ID_SIZE 24
/* An echo request's header, and what is compared with the answer. */
#define PAYLOAD 8

struct probe {
	struct watch watch;
	enum protocol protocol;
	bool is_sent;
	char id[ID_SIZE];
	char payload[8 + PAYLOAD];
	size_t size;
	size_t begin;
};

static void finish(struct probe *probe, const char *outcome)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	/* Many connections are made, so none may linger. */
	if (probe->protocol == TCP)
		setsockopt(probe->watch.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	answer(probe->id, "%s", outcome);
	watch_remove(&probe->watch);
	free(probe);
}

static void expired(struct watch *watch)
{
	finish((struct probe *)watch, "timedOut");
}

static bool write_payload(struct probe *probe)
{
	probe->is_sent = true;
	return send(probe->watch.fd, probe->payload, probe->size, MSG_NOSIGNAL) == (ssize_t)probe->size;
}

static void ready(struct watch *watch, uint32_t events)
{
	struct probe *probe = (struct probe *)watch;
	char read[256];
	int error = 0;
	socklen_t length = sizeof(error);
	if (getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error != 0)
		return finish(probe, outcome_of(error));
	if (!probe->is_sent) {
		if (!write_payload(probe))
			return finish(probe, outcome_of(errno));
		return watch_change(watch, EPOLLIN);
	}
	ssize_t size = recv(watch->fd, read, sizeof(read), MSG_DONTWAIT);
	if (size < 0 && errno == EAGAIN) {
		/* An error that is not of the socket itself waits in its queue. */
		if (events & EPOLLERR)
			finish(probe, "unreachable");
		return;
	}
	if (size < 0)
		return finish(probe, outcome_of(errno));
	if (size == 0)
		return finish(probe, "refused");
	bool is_own = (size_t)size == probe->size && memcmp(read + probe->begin, probe->payload + probe->begin, PAYLOAD) == 0;
	if (is_own)
		finish(probe, "answered");
}

static void prepare_payload(struct probe *probe, sa_family_t family)
{
	static uint64_t last;
	struct icmphdr echo = { .type = family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST };
	probe->begin = probe->protocol == ICMP ? sizeof(echo) : 0;
	probe->size = probe->begin + PAYLOAD;
	memcpy(probe->payload, &echo, sizeof(echo));
	last++;
	memcpy(probe->payload + probe->begin, &last, PAYLOAD);
}

static int open_socket(enum protocol protocol, sa_family_t family)
{
	int of_icmp = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	int type = protocol == TCP ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol == ICMP ? of_icmp : 0);
	int on = 1;
	if (fd >= 0 && protocol != TCP)
		setsockopt(fd, family == AF_INET ? SOL_IP : SOL_IPV6, family == AF_INET ? IP_RECVERR : IPV6_RECVERR, &on, sizeof(on));
	return fd;
}

void probe(const char *id, enum protocol protocol, const struct address *to, const struct address *from, int timeout_ms)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	if (!probe)
		die("probe");
	probe->protocol = protocol;
	snprintf(probe->id, sizeof(probe->id), "%s", id);
	prepare_payload(probe, to->storage.ss_family);
	probe->watch = (struct watch){
		.fd = open_socket(protocol, to->storage.ss_family),
		.ready = ready,
		.deadline = now() + timeout_ms,
		.expired = expired,
	};
	if (probe->watch.fd < 0)
		die("socket");
	watch_add(&probe->watch, EPOLLOUT);
	if (from->length && bind(probe->watch.fd, (const struct sockaddr *)&from->storage, from->length))
		return finish(probe, "unreachable");
	if (connect(probe->watch.fd, (const struct sockaddr *)&to->storage, to->length) && errno != EINPROGRESS)
		return finish(probe, outcome_of(errno));
}
