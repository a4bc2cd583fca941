// SPDX-License-Identifier: Apache-2.0
// marked-talker MARK ADDRESS PORT [SOURCE]: connects by a socket with a mark, as Envoy does for Ingresses, and prints its own address or why not. Then sends
// each line that it reads, and prints the line that comes back, or why none does. Waits for as long as WAIT says.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

static const struct timeval WAIT = { .tv_usec = 700000 };

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

int main(int argc, char **argv)
{
	struct sockaddr_in ipv4 = { .sin_family = AF_INET }, from4 = { .sin_family = AF_INET };
	struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6 }, from6 = { .sin6_family = AF_INET6 };
	struct sockaddr_storage own = { 0 };
	char text[INET6_ADDRSTRLEN], line[256];
	socklen_t size = sizeof(own);
	int connection, mark, on = 1, is_ipv6;
	FILE *answers;

	if (argc != 4 && argc != 5)
		return 2;
	mark = strtol(argv[1], NULL, 16);
	is_ipv6 = strchr(argv[2], ':') != NULL;
	inet_pton(is_ipv6 ? AF_INET6 : AF_INET, argv[2], is_ipv6 ? (void *)&ipv6.sin6_addr : (void *)&ipv4.sin_addr);
	ipv4.sin_port = ipv6.sin6_port = htons(atoi(argv[3]));
	connection = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	if (connection < 0 || setsockopt(connection, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
	    setsockopt(connection, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)) ||
	    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &WAIT, sizeof(WAIT)) ||
	    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &WAIT, sizeof(WAIT))) {
		perror("marked-talker");
		return 1;
	}
	if (argc == 5) {
		inet_pton(is_ipv6 ? AF_INET6 : AF_INET, argv[4], is_ipv6 ? (void *)&from6.sin6_addr : (void *)&from4.sin_addr);
		if (setsockopt(connection, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) ||
		    bind(connection, is_ipv6 ? (struct sockaddr *)&from6 : (struct sockaddr *)&from4, is_ipv6 ? sizeof(from6) : sizeof(from4)))
			return say(why());
	}
	if (connect(connection, is_ipv6 ? (struct sockaddr *)&ipv6 : (struct sockaddr *)&ipv4, is_ipv6 ? sizeof(ipv6) : sizeof(ipv4)))
		return say(why());
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
