#include "prober.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MOST_WORDS 8
#define LONGEST_LINE 65536

static bool protocol_read(enum protocol *protocol, const char *text)
{
	static const char *const names[] = { [TCP] = "TCP", [UDP] = "UDP", [ICMP] = "ICMP" };
	for (int index = TCP; index <= ICMP; index++) {
		if (strcmp(text, names[index]))
			continue;
		*protocol = index;
		return true;
	}
	return false;
}

static void tell_error(const char *id, int error)
{
	if (error)
		answer(id, "error %s", strerrorname_np(error));
	else
		answer(id, "done");
}

/* TO PORT FROM, which is `-` where the kernel is to choose. */
static bool ends_read(char **words, struct address *to, struct address *from)
{
	from->length = 0;
	return address_read(to, words[0], atoi(words[1])) && (!strcmp(words[2], "-") || address_read(from, words[2], 0));
}

static bool obey(char **words, int count)
{
	const char *id = words[0];
	const char *command = words[1];
	enum protocol protocol;
	struct address to;
	struct address from;
	if (count == 7 && !strcmp(command, "probe") && protocol_read(&protocol, words[2]) && ends_read(words + 3, &to, &from))
		probe(id, protocol, &to, &from, atoi(words[6]));
	else if (count == 4 && !strcmp(command, "serve") && protocol_read(&protocol, words[2]))
		tell_error(id, serve(protocol, atoi(words[3])));
	else if (count == 4 && !strcmp(command, "serve-no-more") && protocol_read(&protocol, words[2]))
		tell_error(id, serve_no_more(protocol, atoi(words[3])));
	else if (count == 6 && !strcmp(command, "stream") && ends_read(words + 2, &to, &from))
		stream_open(id, &to, &from, atoi(words[5]));
	else if (count == 3 && !strcmp(command, "streamed"))
		stream_tell(id, atoi(words[2]));
	else if (count == 3 && !strcmp(command, "close"))
		stream_close(id, atoi(words[2]));
	else if (count == 3 && !strcmp(command, "packet"))
		packet_send(id, words[2]);
	else if (count == 4 && !strcmp(command, "frame"))
		frame_send(id, words[2], words[3]);
	else if (count == 2 && !strcmp(command, "capture"))
		capture_start(id);
	else if (count == 3 && !strcmp(command, "captured"))
		capture_count(id, words[2]);
	else
		return false;
	return true;
}

static void take_line(char *line)
{
	char *words[MOST_WORDS];
	int count = 0;
	for (char *word = strtok(line, " "); word && count < MOST_WORDS; word = strtok(NULL, " "))
		words[count++] = word;
	if (count < 2 || !obey(words, count))
		answer(count ? words[0] : "0", "error no such command");
}

static void take_commands(struct watch *watch, uint32_t events)
{
	static char buffer[LONGEST_LINE];
	static size_t filled;
	(void)events;
	ssize_t size = read(watch->fd, buffer + filled, sizeof(buffer) - filled);
	if (size <= 0)
		exit(0);
	filled += size;
	char *begin = buffer;
	char *end;
	while ((end = memchr(begin, '\n', buffer + filled - begin))) {
		*end = 0;
		take_line(begin);
		begin = end + 1;
	}
	filled -= begin - buffer;
	memmove(buffer, begin, filled);
	if (filled == sizeof(buffer))
		die("a line without an end");
}

int main(void)
{
	struct watch commands = { .fd = STDIN_FILENO, .ready = take_commands };
	watch_add(&commands, EPOLLIN);
	loop_run();
}
