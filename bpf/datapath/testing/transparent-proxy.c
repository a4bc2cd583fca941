// What steering needs of Envoy and no more: `transparent-proxy egress|ingress PORT FIRST LAST …` listens on each port with the slot's mark, and connects for
// who comes to where he wanted to get, with his address, the mark of the other leg and a port from FIRST to LAST. `to/IPV4/IPV6/PORT` in the place of a
// direction: it takes a Service, and connects to there. Says `PORT CLIENT DESTINATION` of each, `ready` once, and `told` after all that for each line that
// it reads. Ends with its input.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

struct slot {
	int port;
	unsigned listener_mark, upstream_mark, first_port, last_port;
	/* Of a Service; port 0: it goes to where the client wanted to get. */
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
};

struct accepted {
	const struct slot *slot;
	int fd;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		fail("setsockopt");
}

static int marked_socket(int family, unsigned mark)
{
	int fd = socket(family, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket");
	set(fd, SOL_SOCKET, SO_MARK, mark);
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (family == AF_INET)
		set(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
	else
		set(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
	return fd;
}

static void name_of(const struct sockaddr_storage *address, char *text)
{
	char host[INET6_ADDRSTRLEN];
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	if (address->ss_family == AF_INET)
		sprintf(text, "%s/%d", inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)), ntohs(v4->sin_port));
	else
		sprintf(text, "%s/%d", inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)), ntohs(v6->sin6_port));
}

/* Ends the connection with a reset. */
static void reset(int fd)
{
	struct linger none = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(fd);
}

/* Copies what came from one to the other; 0 when one side has ended, -1 when the connection has. */
static int copy(int from, int to)
{
	char bytes[65536];
	ssize_t size = recv(from, bytes, sizeof(bytes), 0);

	if (size < 0)
		return -1;
	if (size == 0) {
		shutdown(to, SHUT_WR);
		return 0;
	}
	for (ssize_t done = 0, sent; done < size; done += sent)
		if ((sent = send(to, bytes + done, size - done, MSG_NOSIGNAL)) < 0)
			return -1;
	return 1;
}

static void relay(int client, int upstream)
{
	struct pollfd fds[2] = { { client, POLLIN, 0 }, { upstream, POLLIN, 0 } };
	int open = 2;

	while (open > 0) {
		if (poll(fds, 2, -1) < 0)
			break;
		for (int i = 0; i < 2; i++) {
			int copied = fds[i].revents ? copy(i == 0 ? client : upstream, i == 0 ? upstream : client) : 1;

			if (copied < 0) {
				reset(client);
				reset(upstream);
				return;
			}
			if (copied == 0) {
				fds[i].fd = -1;
				open--;
			}
		}
	}
	close(client);
	close(upstream);
}

static void *serve(void *argument)
{
	struct accepted accepted = *(struct accepted *)argument;
	struct sockaddr_storage client = {}, destination = {};
	socklen_t size = sizeof(client), size_of_destination = sizeof(destination);
	char from[80], to[80];
	int upstream;

	free(argument);
	if (getpeername(accepted.fd, (void *)&client, &size) || getsockname(accepted.fd, (void *)&destination, &size_of_destination)) {
		close(accepted.fd);
		return NULL;
	}
	name_of(&client, from);
	name_of(&destination, to);
	printf("%d %s %s\n", accepted.slot->port, from, to);
	upstream = marked_socket(client.ss_family, accepted.slot->upstream_mark | accepted.slot->port << 16);
	set(upstream, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	set(upstream, IPPROTO_IP, IP_LOCAL_PORT_RANGE, accepted.slot->last_port << 16 | accepted.slot->first_port);
	((struct sockaddr_in *)&client)->sin_port = 0;
	if (accepted.slot->ipv4.sin_port && client.ss_family == AF_INET)
		memcpy(&destination, &accepted.slot->ipv4, size_of_destination);
	else if (accepted.slot->ipv4.sin_port)
		memcpy(&destination, &accepted.slot->ipv6, size_of_destination);
	if (bind(upstream, (void *)&client, size) || connect(upstream, (void *)&destination, size_of_destination)) {
		fprintf(stderr, "%s to %s by %d: %s\n", from, to, accepted.slot->port, strerror(errno));
		reset(accepted.fd);
		close(upstream);
		return NULL;
	}
	relay(accepted.fd, upstream);
	return NULL;
}

static void *listen_on(void *argument)
{
	struct accepted *listener = argument;

	for (;;) {
		struct accepted *accepted = malloc(sizeof(*accepted));
		pthread_t thread;

		accepted->slot = listener->slot;
		accepted->fd = accept(listener->fd, NULL, NULL);
		if (accepted->fd < 0)
			fail("accept");
		if (pthread_create(&thread, NULL, serve, accepted))
			fail("pthread_create");
		pthread_detach(thread);
	}
	return NULL;
}

static void start(const struct slot *slot, int family)
{
	struct accepted *listener = malloc(sizeof(*listener));
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(slot->port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(slot->port) };
	pthread_t thread;

	listener->slot = slot;
	listener->fd = marked_socket(family, slot->listener_mark | slot->port << 16);
	if (family == AF_INET6)
		set(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (bind(listener->fd, family == AF_INET ? (void *)&v4 : (void *)&v6, family == AF_INET ? sizeof(v4) : sizeof(v6)))
		fail("bind");
	if (listen(listener->fd, 1024))
		fail("listen");
	if (pthread_create(&thread, NULL, listen_on, listener))
		fail("pthread_create");
}

/* Whether it takes a Service. */
static int read_backend(const char *text, struct slot *slot)
{
	char ipv4[INET6_ADDRSTRLEN], ipv6[INET6_ADDRSTRLEN];
	int port;

	if (sscanf(text, "to/%45[^/]/%45[^/]/%d", ipv4, ipv6, &port) != 3)
		return 0;
	slot->ipv4.sin_family = AF_INET;
	slot->ipv6.sin6_family = AF_INET6;
	slot->ipv4.sin_port = slot->ipv6.sin6_port = htons(port);
	return inet_pton(AF_INET, ipv4, &slot->ipv4.sin_addr) == 1 && inet_pton(AF_INET6, ipv6, &slot->ipv6.sin6_addr) == 1;
}

int main(int count, char **arguments)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i + 3 < count; i += 4) {
		struct slot *slot = calloc(1, sizeof(*slot));
		int is_service = read_backend(arguments[i], slot);
		int is_egress = is_service || strcmp(arguments[i], "egress") == 0;

		slot->port = atoi(arguments[i + 1]);
		slot->listener_mark = is_egress ? 0x900 : 0xa00;
		slot->upstream_mark = is_service ? 0xd02 : is_egress ? 0xb00 : 0xc00;
		slot->first_port = atoi(arguments[i + 2]);
		slot->last_port = atoi(arguments[i + 3]);
		start(slot, AF_INET);
		start(slot, AF_INET6);
	}
	printf("ready\n");
	for (char line[16]; fgets(line, sizeof(line), stdin);)
		printf("told\n");
}
