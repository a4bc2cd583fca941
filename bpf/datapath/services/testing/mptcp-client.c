// SPDX-License-Identifier: Apache-2.0
// mptcp-client ADDRESS PORT: connects by MPTCP and prints who the peer is, and what it says, a line each.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROTOCOL_MPTCP 262

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	socklen_t size = sizeof(to);
	char said[256] = { 0 };
	int connection;

	if (argc != 3)
		return 2;
	to.sin_addr.s_addr = inet_addr(argv[1]);
	to.sin_port = htons(atoi(argv[2]));
	connection = socket(AF_INET, SOCK_STREAM, PROTOCOL_MPTCP);
	if (connection < 0 || connect(connection, (struct sockaddr *)&to, sizeof(to)) || getpeername(connection, (struct sockaddr *)&to, &size)) {
		perror("mptcp-client");
		return 1;
	}
	if (recv(connection, said, sizeof(said) - 1, 0) < 0)
		return 1;
	printf("%s %d\n%s\n", inet_ntoa(to.sin_addr), ntohs(to.sin_port), said);
	return 0;
}
