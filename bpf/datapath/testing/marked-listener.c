// SPDX-License-Identifier: Apache-2.0
// marked-listener MARK ADDRESS PORT: listens by a socket with a mark, as Envoy does for Ingresses, and says so. Whoever connects is told the mark and the
// port that it asked for, at each line that it sends.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void serve(int connection)
{
	struct sockaddr_in6 own = { 0 };
	socklen_t size = sizeof(own), mark_size;
	char line[256], answer[64];
	unsigned int mark = 0;
	ssize_t length;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	mark_size = sizeof(mark);
	if (getsockname(connection, (struct sockaddr *)&own, &size) || getsockopt(connection, SOL_SOCKET, SO_MARK, &mark, &mark_size))
		exit(1);
	/* The port of IPv4 is at the same place. */
	length = snprintf(answer, sizeof(answer), "%x at %d\n", mark, ntohs(own.sin6_port));
	while (read(connection, line, sizeof(line)) > 0)
		if (write(connection, answer, length) < 0)
			break;
	exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in ipv4 = { .sin_family = AF_INET };
	struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6 };
	int listener, connection, is_ipv6, on = 1;
	unsigned int mark;

	if (argc != 4)
		return 2;
	mark = strtoul(argv[1], NULL, 16);
	is_ipv6 = strchr(argv[2], ':') != NULL;
	inet_pton(is_ipv6 ? AF_INET6 : AF_INET, argv[2], is_ipv6 ? (void *)&ipv6.sin6_addr : (void *)&ipv4.sin_addr);
	ipv4.sin_port = ipv6.sin6_port = htons(atoi(argv[3]));
	listener = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
	    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) || setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ||
	    bind(listener, is_ipv6 ? (struct sockaddr *)&ipv6 : (struct sockaddr *)&ipv4, is_ipv6 ? sizeof(ipv6) : sizeof(ipv4)) ||
	    listen(listener, 16)) {
		perror("marked-listener");
		return 1;
	}
	puts("listens");
	fflush(stdout);
	while ((connection = accept(listener, NULL, NULL)) >= 0) {
		if (fork() == 0)
			serve(connection);
		close(connection);
	}
	return 1;
}
