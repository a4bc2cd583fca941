// SPDX-License-Identifier: Apache-2.0
// marked-talker MARK[/PRIORITY] ADDRESS[,ADDRESS] PORT [SOURCE]: connects by a socket with a mark, as Envoy does for Ingresses, and prints its own address or why
// not; to the second address by the same socket, once it has left the first. Then sends each line that it reads, and prints the line that comes back, or why none
// does. Waits for as long as WAIT says.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static const struct timeval WAIT = { .tv_usec = 700000 };
/* Of what Envoy opens with a client's address, from 64024 to 65535. */
static const unsigned OPENERS_PORTS = 65535u << 16 | 64024;

static int say(const char *text)
{
	printf("%s\n", text);
	return fflush(stdout);
}

static const char *why(void)
{
	switch (errno) {
	case EPERM:
		return "EPERM";
	case EAGAIN:
	case EINPROGRESS:
		return "timeout";
	default:
		return strerror(errno);
	}
}

static void read_place(const char *address, const char *port, struct sockaddr_in6 *to)
{
	int is_ipv6 = strchr(address, ':') != NULL;
	void *bytes = is_ipv6 ? (void *)&to->sin6_addr : (void *)&((struct sockaddr_in *)to)->sin_addr;

	to->sin6_family = is_ipv6 ? AF_INET6 : AF_INET;
	to->sin6_port = htons(atoi(port));
	inet_pton(to->sin6_family, address, bytes);
}

int main(int argc, char **argv)
{
	struct sockaddr_in from4 = { .sin_family = AF_INET };
	struct sockaddr_in6 from6 = { .sin6_family = AF_INET6 };
	struct sockaddr_storage own = { 0 };
	char text[INET6_ADDRSTRLEN], line[256];
	socklen_t size = sizeof(own);
	struct sockaddr_in6 to = { 0 };
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	int connection, mark, priority, on = 1, is_ipv6;
	char *end;
	FILE *answers;

	if (argc != 4 && argc != 5)
		return 2;
	mark = strtol(argv[1], &end, 16);
	priority = *end ? strtol(end + 1, NULL, 16) : 0;
	is_ipv6 = strchr(argv[2], ':') != NULL;
	connection = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	if (connection < 0 || setsockopt(connection, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
	    setsockopt(connection, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)) ||
	    setsockopt(connection, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)) ||
	    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &WAIT, sizeof(WAIT)) ||
	    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &WAIT, sizeof(WAIT))) {
		perror("marked-talker");
		return 1;
	}
	if (argc == 5) {
		inet_pton(is_ipv6 ? AF_INET6 : AF_INET, argv[4], is_ipv6 ? (void *)&from6.sin6_addr : (void *)&from4.sin_addr);
		if (setsockopt(connection, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) ||
		    setsockopt(connection, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &OPENERS_PORTS, sizeof(OPENERS_PORTS)) ||
		    bind(connection, is_ipv6 ? (struct sockaddr *)&from6 : (struct sockaddr *)&from4, is_ipv6 ? sizeof(from6) : sizeof(from4)))
			return say(why());
	}
	for (char *address = strtok(argv[2], ","); address; address = strtok(NULL, ",")) {
		if (to.sin6_port && connect(connection, &nobody, sizeof(nobody)))
			return say(why());
		read_place(address, argv[3], &to);
		if (connect(connection, (struct sockaddr *)&to, is_ipv6 ? sizeof(to) : sizeof(struct sockaddr_in)))
			return say(why());
	}
	if (getsockname(connection, (struct sockaddr *)&own, &size))
		return 1;
	inet_ntop(own.ss_family, is_ipv6 ? (void *)&((struct sockaddr_in6 *)&own)->sin6_addr : (void *)&((struct sockaddr_in *)&own)->sin_addr, text,
		  sizeof(text));
	say(text);
	answers = fdopen(connection, "r");
	while (fgets(line, sizeof(line), stdin)) {
		if (send(connection, line, strlen(line), MSG_NOSIGNAL) < 0) {
			say(why());
			continue;
		}
		errno = 0;
		if (fgets(line, sizeof(line), answers))
			line[strcspn(line, "\n")] = 0;
		else
			snprintf(line, sizeof(line), "%s", errno ? why() : "end");
		say(line);
		clearerr(answers);
	}
	return 0;
}
