// Translates one address at the socket, there and back, as a Service's address is.
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* In network byte order: 192.0.2.1 and 127.0.0.1. */
#define SERVICE bpf_htonl(0xc0000201)
#define BACKEND bpf_htonl(0x7f000001)

const volatile __u16 service_port = 80;
const volatile __u16 backend_port = 8080;

static __always_inline void there(struct bpf_sock_addr *address)
{
	if (address->user_ip4 != SERVICE || address->user_port != bpf_htons(service_port))
		return;
	address->user_ip4 = BACKEND;
	address->user_port = bpf_htons(backend_port);
}

static __always_inline void back(struct bpf_sock_addr *address)
{
	if (address->user_ip4 != BACKEND || address->user_port != bpf_htons(backend_port))
		return;
	address->user_ip4 = SERVICE;
	address->user_port = bpf_htons(service_port);
}

SEC("cgroup/connect4")
int on_connect(struct bpf_sock_addr *address)
{
	there(address);
	return 1;
}

SEC("cgroup/sendmsg4")
int on_sendmsg(struct bpf_sock_addr *address)
{
	there(address);
	return 1;
}

SEC("cgroup/recvmsg4")
int on_recvmsg(struct bpf_sock_addr *address)
{
	back(address);
	return 1;
}

SEC("cgroup/getpeername4")
int on_getpeername(struct bpf_sock_addr *address)
{
	back(address);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
