#include "prober.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LARGEST 9216
#define KEPT 1024
#define KEPT_BYTES 512

static struct watch capture = { .fd = -1 };
/* The last packets that arrived, in a ring. */
static struct { size_t size; unsigned char bytes[KEPT_BYTES]; } kept[KEPT];
static unsigned int arrived;

/* Gives how many bytes, or -1. */
static ssize_t read_hex(unsigned char *bytes, const char *hex)
{
	size_t digits = strlen(hex);
	if (digits % 2 || digits / 2 > LARGEST)
		return -1;
	for (size_t index = 0; index < digits / 2; index++)
		if (sscanf(hex + 2 * index, "%2hhx", bytes + index) != 1)
			return -1;
	return digits / 2;
}

static void tell_sent(const char *id, ssize_t sent, int fd)
{
	if (sent < 0)
		answer(id, "error %s", strerrorname_np(errno));
	else
		answer(id, "done");
	close(fd);
}

/* A whole packet, from its IP header on; the kernel only finds its way. */
void packet_send(const char *id, const char *hex)
{
	static unsigned char bytes[LARGEST];
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	ssize_t size = read_hex(bytes, hex);
	if (size < 20 || (bytes[0] >> 4 == 6 && size < 40))
		return answer(id, "error EINVAL");
	bool is_v6 = bytes[0] >> 4 == 6;
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		return answer(id, "error %s", strerrorname_np(errno));
	memcpy(&v4.sin_addr, bytes + 16, 4);
	memcpy(&v6.sin6_addr, bytes + 24, is_v6 ? 16 : 0);
	tell_sent(id, sendto(fd, bytes, size, 0, is_v6 ? (void *)&v6 : (void *)&v4, is_v6 ? sizeof(v6) : sizeof(v4)), fd);
}

/* A whole frame, from its Ethernet header on. */
void frame_send(const char *id, const char *device, const char *hex)
{
	static unsigned char bytes[LARGEST];
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(device), .sll_halen = ETH_ALEN };
	ssize_t size = read_hex(bytes, hex);
	if (size < ETH_HLEN || to.sll_ifindex == 0)
		return answer(id, "error EINVAL");
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return answer(id, "error %s", strerrorname_np(errno));
	tell_sent(id, sendto(fd, bytes, size, 0, (struct sockaddr *)&to, sizeof(to)), fd);
}

static void keep_arrived(struct watch *watch, uint32_t events)
{
	struct sockaddr_ll from;
	socklen_t length = sizeof(from);
	unsigned char bytes[KEPT_BYTES];
	ssize_t size;
	(void)events;
	while ((size = recvfrom(watch->fd, bytes, sizeof(bytes), MSG_DONTWAIT, (struct sockaddr *)&from, &length)) > 0) {
		length = sizeof(from);
		if (from.sll_pkttype == PACKET_OUTGOING)
			continue;
		memcpy(kept[arrived % KEPT].bytes, bytes, size);
		kept[arrived % KEPT].size = size;
		arrived++;
	}
}

void capture_start(const char *id)
{
	if (capture.fd >= 0)
		keep_arrived(&capture, EPOLLIN);
	arrived = 0;
	memset(kept, 0, sizeof(kept));
	if (capture.fd < 0) {
		capture.fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
		capture.ready = keep_arrived;
		if (capture.fd < 0)
			return answer(id, "error %s", strerrorname_np(errno));
		watch_add(&capture, EPOLLIN);
	}
	answer(id, "done");
}

/* How many of those that arrived hold these bytes. */
void capture_count(const char *id, const char *hex)
{
	static unsigned char bytes[LARGEST];
	ssize_t size = read_hex(bytes, hex);
	int found = 0;
	if (size <= 0 || capture.fd < 0)
		return answer(id, "error EINVAL");
	/* What has arrived may not have been read yet. */
	keep_arrived(&capture, EPOLLIN);
	for (int index = 0; index < KEPT; index++)
		found += memmem(kept[index].bytes, kept[index].size, bytes, size) != NULL;
	answer(id, "%d", found);
}
