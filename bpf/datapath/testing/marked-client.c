// SPDX-License-Identifier: Apache-2.0
// marked-client MARK ADDRESS PORT: begins to connect by a socket with a mark, as Envoy does for Ingresses, and prints its own address or why not.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct sockaddr_in ipv4 = { .sin_family = AF_INET };
	struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6 };
	struct sockaddr_storage own = { 0 };
	char text[INET6_ADDRSTRLEN];
	int connection, mark, on = 1, is_ipv6;
	socklen_t size = sizeof(own);

	if (argc != 4)
		return 2;
	mark = strtol(argv[1], NULL, 16);
	is_ipv6 = strchr(argv[2], ':') != NULL;
	inet_pton(is_ipv6 ? AF_INET6 : AF_INET, argv[2], is_ipv6 ? (void *)&ipv6.sin6_addr : (void *)&ipv4.sin_addr);
	ipv4.sin_port = ipv6.sin6_port = htons(atoi(argv[3]));
	connection = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (connection < 0 || setsockopt(connection, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
	    setsockopt(connection, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on))) {
		perror("marked-client");
		return 1;
	}
	if (connect(connection, is_ipv6 ? (struct sockaddr *)&ipv6 : (struct sockaddr *)&ipv4, is_ipv6 ? sizeof(ipv6) : sizeof(ipv4)) &&
	    errno != EINPROGRESS) {
		printf("%s\n", errno == EPERM ? "EPERM" : strerror(errno));
		return 0;
	}
	if (getsockname(connection, (struct sockaddr *)&own, &size))
		return 1;
	inet_ntop(own.ss_family, is_ipv6 ? (void *)&((struct sockaddr_in6 *)&own)->sin6_addr : (void *)&((struct sockaddr_in *)&own)->sin_addr, text,
		  sizeof(text));
	printf("%s\n", text);
	return 0;
}
