/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>

/* An address of either family: IPv4 as ::ffff:a.b.c.d. As an array of bytes in a struct, it is aligned to 4. */
#define ADDRESS_BYTES 16
#define ADDRESS(name) __u8 name[ADDRESS_BYTES] __attribute__((aligned(4)))

static __always_inline const __u32 *words_of(const __u8 *address)
{
	return (const __u32 *)address;
}

static __always_inline void copy_address(__u8 *to, const __u8 *from)
{
	for (int i = 0; i < 4; i++)
		((__u32 *)to)[i] = words_of(from)[i];
}

static __always_inline void map_ipv4(__u8 *to, __be32 address)
{
	__u32 *words = (__u32 *)to;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = address;
}

static __always_inline bool is_ipv4(const __u8 *address)
{
	const __u32 *words = words_of(address);

	return words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff);
}

static __always_inline bool equals(const __u8 *a, const __u8 *b)
{
	const __u32 *x = words_of(a), *y = words_of(b);

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

/* ::, which hosts that have no address yet send from. */
static __always_inline bool is_unspecified_ipv6(const __u8 *address)
{
	const __u32 *words = words_of(address);

	return (words[0] | words[1] | words[2] | words[3]) == 0;
}

/* fe80::/10 */
static __always_inline bool is_link_local(const __u8 *address)
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

/* 224.0.0.0/4, ff00::/8, 255.255.255.255 */
static __always_inline bool is_multicast(const __u8 *address)
{
	if (!is_ipv4(address))
		return address[0] == 0xff;
	return (address[12] & 0xf0) == 0xe0 || words_of(address)[3] == 0xffffffff;
}

/* What no packet has as its source that comes from another host: RFC 6890, RFC 4291. */
static __always_inline bool is_martian_source(const __u8 *address)
{
	const __u32 *words = words_of(address);

	if (is_multicast(address))
		return true;
	if (!is_ipv4(address))
		/* :: and ::1 */
		return words[0] == 0 && words[1] == 0 && words[2] == 0 && (words[3] == 0 || words[3] == bpf_htonl(1));
	/* 0.0.0.0/8 and 127.0.0.0/8 */
	return address[12] == 0 || address[12] == 127;
}

#endif
