// SPDX-License-Identifier: Apache-2.0
// ask BASE SERVICES PORT CONNECTIONS TRIPS: connects to addresses from BASE on, SERVICES of them, and prints how many nanoseconds each
// connect took ("c 12345"), and each round trip of 64 bytes on the last connection ("r 12345"). Who answers is a child of it.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BACKEND_PORT 8080
#define SIZE 64

static void check(int failed, const char *what)
{
	if (!failed)
		return;
	perror(what);
	exit(1);
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void serve(int listening)
{
	char bytes[SIZE];

	for (;;) {
		int on = 1, connection = accept(listening, 0, 0);
		ssize_t got;

		if (connection < 0)
			continue;
		setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		while ((got = recv(connection, bytes, SIZE, 0)) > 0)
			send(connection, bytes, got, MSG_NOSIGNAL);
		close(connection);
	}
}

static pid_t start_server(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(BACKEND_PORT) };
	int on = 1, listening = socket(AF_INET, SOCK_STREAM, 0);

	check(listening < 0, "socket");
	setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	check(bind(listening, (struct sockaddr *)&any, sizeof(any)), "bind");
	check(listen(listening, 1024), "listen");
	pid_t server = fork();

	check(server < 0, "fork");
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(listening);
	}
	close(listening);
	return server;
}

int main(int argc, char **argv)
{
	if (argc != 6)
		return 2;
	unsigned base = ntohl(inet_addr(argv[1])), services = atoi(argv[2]);
	int port = atoi(argv[3]), connections = atoi(argv[4]), trips = atoi(argv[5]);
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	pid_t server = start_server();

	srandom(getpid());
	for (int index = 0; index < connections; index += 1) {
		struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
		int on = 1, connection = socket(AF_INET, SOCK_STREAM, 0);

		to.sin_addr.s_addr = htonl(base + random() % services);
		/* No connection is left to wait for its end. */
		setsockopt(connection, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		long long start = now();

		check(connect(connection, (struct sockaddr *)&to, sizeof(to)), "connect");
		printf("c %lld\n", now() - start);
		for (int trip = 0; index == connections - 1 && trip < trips; trip += 1) {
			char bytes[SIZE] = { 0 };

			start = now();
			check(send(connection, bytes, SIZE, 0) != SIZE, "send");
			check(recv(connection, bytes, SIZE, MSG_WAITALL) != SIZE, "recv");
			printf("r %lld\n", now() - start);
		}
		close(connection);
	}
	kill(server, SIGKILL);
	waitpid(server, 0, 0);
	return 0;
}
