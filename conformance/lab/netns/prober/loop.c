#include "prober.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 64

static int epoll = -1;
static struct watch all = { .next = &all, .previous = &all };
/* Those that the events at hand are about; what is removed meanwhile is taken out of them. */
static struct epoll_event events[EVENTS];
static int pending;

int64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void die(const char *what)
{
	perror(what);
	exit(1);
}

static void control(int operation, struct watch *watch, uint32_t wanted)
{
	struct epoll_event event = { .events = wanted, .data.ptr = watch };
	if (epoll < 0)
		epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_ctl(epoll, operation, watch->fd, &event))
		die("epoll_ctl");
}

void watch_add(struct watch *watch, uint32_t wanted)
{
	control(EPOLL_CTL_ADD, watch, wanted);
	watch->next = &all;
	watch->previous = all.previous;
	all.previous->next = watch;
	all.previous = watch;
}

void watch_change(struct watch *watch, uint32_t wanted)
{
	control(EPOLL_CTL_MOD, watch, wanted);
}

void watch_remove(struct watch *watch)
{
	control(EPOLL_CTL_DEL, watch, 0);
	close(watch->fd);
	watch->previous->next = watch->next;
	watch->next->previous = watch->previous;
	for (int index = 0; index < pending; index++)
		if (events[index].data.ptr == watch)
			events[index].data.ptr = NULL;
}

/* Gives how long to wait for the next, in milliseconds; -1 for ever. */
static int expire(void)
{
	int64_t moment = now();
	int64_t first = INT64_MAX;
	struct watch *next;
	for (struct watch *watch = all.next; watch != &all; watch = next) {
		next = watch->next;
		if (watch->deadline == 0)
			continue;
		if (watch->deadline <= moment)
			watch->expired(watch);
		else if (watch->deadline < first)
			first = watch->deadline;
	}
	return first == INT64_MAX ? -1 : (int)(first - moment);
}

void loop_run(void)
{
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS, expire());
		if (count < 0 && errno != EINTR)
			die("epoll_wait");
		pending = count;
		for (int index = 0; index < pending; index++) {
			struct watch *watch = events[index].data.ptr;
			if (watch)
				watch->ready(watch, events[index].events);
		}
		pending = 0;
	}
}

void answer(const char *id, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	printf("%s ", id);
	vprintf(format, arguments);
	putchar('\n');
	va_end(arguments);
	if (fflush(stdout))
		exit(0);
}

const char *outcome_of(int error)
{
	switch (error) {
	case ECONNREFUSED:
	case ECONNRESET:
	case EPIPE:
		return "refused";
	case ETIMEDOUT:
		return "timedOut";
	default:
		return "unreachable";
	}
}

bool address_read(struct address *address, const char *text, int port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		address->length = sizeof(*v4);
		return true;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	address->length = sizeof(*v6);
	return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1;
}
