#include "prober.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BACKLOG 4096
#define BUFFER 65536

struct server {
	struct watch watch;
	enum protocol protocol;
	int port;
	/* All servers, one for each family. */
	struct server *other;
};

static struct server *servers;
static char buffer[BUFFER];

static void close_connection(struct watch *watch)
{
	watch_remove(watch);
	free(watch);
}

static void echo_stream(struct watch *watch, uint32_t events)
{
	ssize_t size = recv(watch->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	if (size < 0 && errno == EAGAIN && !(events & (EPOLLERR | EPOLLHUP)))
		return;
	/* Whoever asks waits for its answer before it goes on, so what does not fit belongs to nobody. */
	if (size <= 0 || (send(watch->fd, buffer, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN))
		close_connection(watch);
}

static void accept_connections(struct watch *watch, uint32_t events)
{
	int fd;
	(void)events;
	while ((fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct watch *connection = calloc(1, sizeof(*connection));
		if (!connection)
			die("accept");
		*connection = (struct watch){ .fd = fd, .ready = echo_stream };
		watch_add(connection, EPOLLIN);
	}
}

/* Answers from the address that was asked. */
static void echo_datagrams(struct watch *watch, uint32_t events)
{
	char control[256];
	struct sockaddr_storage from;
	struct iovec data = { .iov_base = buffer };
	(void)events;
	for (;;) {
		struct msghdr message = {
			.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &data, .msg_iovlen = 1,
			.msg_control = control, .msg_controllen = sizeof(control),
		};
		data.iov_len = sizeof(buffer);
		ssize_t size = recvmsg(watch->fd, &message, MSG_DONTWAIT);
		if (size < 0 && errno == EAGAIN)
			return;
		if (size < 0)
			continue;
		data.iov_len = size;
		for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
			/* The route decides by which device, and the address alone by which source. */
			if (part->cmsg_level == SOL_IP && part->cmsg_type == IP_PKTINFO)
				((struct in_pktinfo *)CMSG_DATA(part))->ipi_ifindex = 0;
			if (part->cmsg_level == SOL_IPV6 && part->cmsg_type == IPV6_PKTINFO)
				((struct in6_pktinfo *)CMSG_DATA(part))->ipi6_ifindex = 0;
		}
		sendmsg(watch->fd, &message, MSG_DONTWAIT);
	}
}

static int open_server(struct server *server, sa_family_t family)
{
	struct sockaddr_storage any = { .ss_family = family };
	bool is_v6 = family == AF_INET6;
	int on = 1;
	int fd = socket(family, (server->protocol == TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	/* Of both families the port stands at the same place. */
	((struct sockaddr_in *)&any)->sin_port = htons(server->port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (is_v6)
		setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (server->protocol == UDP)
		setsockopt(fd, is_v6 ? SOL_IPV6 : SOL_IP, is_v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &on, sizeof(on));
	server->watch.fd = fd;
	if (bind(fd, (struct sockaddr *)&any, is_v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)) == 0 &&
	    (server->protocol == UDP || listen(fd, BACKLOG) == 0))
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

int serve(enum protocol protocol, int port)
{
	const sa_family_t families[] = { AF_INET, AF_INET6 };
	for (int index = 0; index < 2; index++) {
		struct server *server = calloc(1, sizeof(*server));
		if (!server)
			die("serve");
		server->protocol = protocol;
		server->port = port;
		server->watch.ready = protocol == TCP ? accept_connections : echo_datagrams;
		if (open_server(server, families[index]) < 0) {
			free(server);
			return errno;
		}
		server->other = servers;
		servers = server;
		watch_add(&server->watch, EPOLLIN);
	}
	return 0;
}

int serve_no_more(enum protocol protocol, int port)
{
	int error = ENOENT;
	for (struct server **place = &servers; *place;) {
		struct server *server = *place;
		if (server->protocol != protocol || server->port != port) {
			place = &server->other;
			continue;
		}
		*place = server->other;
		watch_remove(&server->watch);
		free(server);
		error = 0;
	}
	return error;
}
