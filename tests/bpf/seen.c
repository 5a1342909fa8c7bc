/*
 * The kernel side by itself: attaches the probes that its arguments name and
 * prints a JSON object a record. Its input gives orders, see order().
 *	seen [-r RING] [-c CALL_MAX] [-q] TARGET... :
 *FILE,AT,FN,END,ARG,RETURN,PID...
 */
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "bpf/loader.h"

static struct loader *loader;
static bool quiet;
static struct {
	unsigned long records, bytes, begun;
} got;

static void show(void *arg, const struct probe_event *ev, const void *payload)
{
	char head[33] = "";

	(void)arg;
	got.records++;
	if (ev->kind == PROBE_EV_WRITE || ev->kind == PROBE_EV_READ)
		got.bytes += ev->cap;
	if (quiet)
		return;
	for (unsigned i = 0; i < 16 && i < ev->cap; i++)
		sprintf(head + 2 * i, "%02x", ((const uint8_t *)payload)[i]);
	printf("{\"kind\":%u,\"fn\":%u,\"flags\":%u,\"tgid\":%u,\"tid\":%u,"
	       "\"uid\":%u,\"ssl\":%llu,\"conn\":%llu,\"seq\":%u,"
	       "\"begun\":%u,\"call\":%u,\"cap\":%u,\"len\":%llu,"
	       "\"at\":%llu,\"result\":%lld,\"crc\":%lu,\"head\":\"%s\"}\n",
	       ev->kind, ev->fn, ev->flags, ev->tgid, ev->tid, ev->uid, ev->ssl,
	       ev->conn, ev->seq, ev->begun, ev->call, ev->cap, ev->len, ev->at,
	       ev->result, crc32(0, payload, ev->cap), head);
}

static void show_losses(void)
{
	static const char *const names[] = {"ring", "fault", "limit", "conns",
					    "calls"};
	struct probe_lost l[PROBE_LOSSES];

	loader_losses(loader, l);
	printf("{\"losses\":{");
	for (int i = 0; i < PROBE_LOSSES; i++)
		printf("%s\"%s\":[%llu,%llu,%llu]", i ? "," : "", names[i],
		       l[i].records, l[i].bytes, l[i].requests);
	printf("},\"records\":%lu,\"bytes\":%lu}\n", got.records, got.bytes);
}

static void show_conn(void *arg, const struct probe_conn_key *key,
		      const struct probe_conn *c)
{
	(void)arg;
	printf("{\"conn\":%llu,\"tgid\":%u,\"ssl\":%llu,\"state\":%u,"
	       "\"lost\":%u,\"lost_len\":%llu,\"begun\":%u,\"host\":\"%s\","
	       "\"fd\":%u,\"seq\":%u}\n",
	       c->id, key->tgid, key->ssl, c->state, c->lost, c->lost_len,
	       c->begun, c->host, c->fd, c->seq);
}

/* False: the end. Every order is answered with a line of its own. */
static bool order(char *line)
{
	struct probe_select sel = {.self = getpid()};
	struct probe_conn_key key = {0};
	struct probe_target t = {0};
	char verb[32], word[64] = "";
	unsigned long a = 0, b = 0, c = 0;
	int err = 0;

	if (sscanf(line, "%31s %lu %lu %lu", verb, &a, &b, &c) < 1)
		return true;
	sscanf(line, "%*s %63s", word);
	key.tgid = a;
	key.ssl = b;
	t.flags = b;
	if (!strcmp(verb, "quit"))
		return false;
	if (!strcmp(verb, "target"))
		err = loader_target_set(loader, a, &t);
	else if (!strcmp(verb, "near"))
		err = loader_target_near(loader, a, b);
	else if (!strcmp(verb, "drop"))
		err = loader_target_drop(loader, a);
	else if (!strcmp(verb, "verdict"))
		err = loader_verdict_set(loader, a, b);
	else if (!strcmp(verb, "cgroup"))
		err = loader_cgroup_verdict_set(loader, a, b);
	else if (!strcmp(verb, "state"))
		err = loader_conn_state(loader, &key, c);
	else if (!strcmp(verb, "host"))
		err = loader_host_add(loader, word);
	else if (!strcmp(verb, "select")) {
		sel.flags = PROBE_SELECT_COMM;
		snprintf(sel.comm, sizeof(sel.comm), "%s", word);
		err = loader_select(loader, &sel);
	} else if (!strcmp(verb, "losses"))
		show_losses();
	else if (!strcmp(verb, "conns"))
		loader_conns(loader, show_conn, NULL);
	else if (!strcmp(verb, "sleep"))
		usleep(a * 1000);
	printf("{\"order\":\"%s\",\"err\":%d}\n", verb, err);
	return true;
}

static int attach(char *spec)
{
	unsigned long v[6] = {0};
	char *at = strchr(spec, ',');
	struct loader_link *link;
	int err;

	if (!at)
		return -1;
	*at++ = '\0';
	for (int i = 0; i < 6 && at; i++) {
		v[i] = strtoul(at, &at, 0);
		at = *at ? at + 1 : NULL;
	}
	err = loader_attach(loader, spec, v[0], v[5], v[4],
			    PROBE_COOKIE(v[1], v[2], v[3],
					 v[5] ? 1 : PROBE_OBJECT_WIDE | 1),
			    &link);
	if (err)
		fprintf(stderr, "attach %s+%lu: %s\n", spec, v[0],
			strerror(-err));
	return err;
}

static int arguments(int argc, char **argv, int i)
{
	struct probe_target t = {.flags = PROBE_TARGET_FOLLOW};

	for (; i < argc && strcmp(argv[i], ":"); i++)
		if (loader_target_set(loader, atoi(argv[i]), &t))
			return 1;
	for (i++; i < argc; i++)
		if (attach(argv[i]))
			return 1;
	return 0;
}

static void loop(void)
{
	struct pollfd in = {.fd = 0, .events = POLLIN};
	char line[256];
	size_t n = 0;

	for (;;) {
		loader_poll(loader, 5, show, NULL);
		while (poll(&in, 1, 0) > 0) {
			if (read(0, &line[n], 1) != 1)
				return;
			if (line[n] != '\n') {
				n += n < sizeof(line) - 2;
				continue;
			}
			line[n] = '\0';
			n = 0;
			if (!order(line))
				return;
		}
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct loader_options o = {.follow = true};
	char text[256];
	int c, err;

	while ((c = getopt(argc, argv, "+r:c:qv")) != -1) {
		if (c == 'r')
			o.ring_bytes = atoi(optarg);
		else if (c == 'c')
			o.call_max = atoi(optarg);
		else if (c == 'q')
			quiet = true;
		else if (c == 'v')
			o.verbose = true;
	}
	err = loader_open(&o, &loader, text, sizeof(text));
	if (err) {
		printf("{\"refused\":\"%s\"}\n", text);
		return 77;
	}
	if (arguments(argc, argv, optind))
		return 1;
	printf("{\"ready\":%d}\n", getpid());
	fflush(stdout);
	loop();
	fflush(stdout);
	loader_close(loader);
	return 0;
}
