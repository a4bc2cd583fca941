// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Two devices without Ethernet, one here and one in another network namespace, of which each sends what the other is given: tunnel NAME NAMESPACE */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LARGEST 65536

static int open_device(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int device = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0)
		err(1, "%s", name);
	return device;
}

/* A device that is not up yet takes nothing, and what it is given is lost. */
static void pass(int from, int to)
{
	static char packet[LARGEST];
	ssize_t length = read(from, packet, sizeof(packet)), passed;

	if (length > 0)
		passed = write(to, packet, length);
	(void)passed;
}

int main(int argc, char **argv)
{
	struct pollfd ends[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int namespace;

	if (argc != 3)
		errx(1, "tunnel NAME NAMESPACE");
	ends[0].fd = open_device(argv[1]);
	namespace = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (namespace < 0 || setns(namespace, CLONE_NEWNET) < 0)
		err(1, "%s", argv[2]);
	ends[1].fd = open_device(argv[1]);
	puts("ready");
	fflush(stdout);
	while (poll(ends, 2, -1) > 0)
		for (int i = 0; i < 2; i++)
			if (ends[i].revents & POLLIN)
				pass(ends[i].fd, ends[1 - i].fd);
	return 1;
}
