#include "bpf/offsets.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((off_t)1 << 20)
#define ID_MAX 128 /* hex digits */
#define ADDRESS_MAX (1ull << 47)

const struct tls_function tls_functions[TLS_FUNCTIONS] = {
	{"SSL_write", PROBE_WRITE, FAMILY_OPENSSL},
	{"SSL_write_ex", PROBE_WRITE_EX, FAMILY_OPENSSL},
	{"SSL_write_ex2", PROBE_WRITE_EX2, FAMILY_OPENSSL},
	{"SSL_read", PROBE_READ, FAMILY_OPENSSL},
	{"SSL_read_ex", PROBE_READ_EX, FAMILY_OPENSSL},
	{"SSL_get_error", PROBE_ERROR, FAMILY_OPENSSL},
	{"SSL_free", PROBE_FREE, FAMILY_OPENSSL},
	{"SSL_clear", PROBE_CLEAR, FAMILY_OPENSSL},
	{"SSL_set_fd", PROBE_SET_FD, FAMILY_OPENSSL},
	{"SSL_ctrl", PROBE_CTRL, FAMILY_OPENSSL},
	{"SSL_set_tlsext_host_name", PROBE_HOST, FAMILY_OPENSSL},
	{"gnutls_record_send", PROBE_GNUTLS_SEND, FAMILY_GNUTLS},
	{"gnutls_record_send2", PROBE_GNUTLS_SEND, FAMILY_GNUTLS},
	{"gnutls_record_recv", PROBE_GNUTLS_RECV, FAMILY_GNUTLS},
	{"gnutls_deinit", PROBE_GNUTLS_FREE, FAMILY_GNUTLS},
	{"gnutls_server_name_set", PROBE_GNUTLS_NAME, FAMILY_GNUTLS},
	{"crypto/tls.(*Conn).Write", PROBE_GO_WRITE, FAMILY_GO},
	{"crypto/tls.(*Conn).Read", PROBE_GO_READ, FAMILY_GO},
	{"crypto/tls.(*Conn).Close", PROBE_GO_FREE, FAMILY_GO},
	{"_dl_debug_state", PROBE_LOADED, FAMILY_LOADER},
};

int tls_function_find(const char *name, size_t len)
{
	for (unsigned i = 0; i < TLS_FUNCTIONS; i++)
		if (strlen(tls_functions[i].name) == len &&
		    !memcmp(tls_functions[i].name, name, len))
			return (int)i;
	return -1;
}

struct group {
	char id[ID_MAX + 1];
	unsigned from, n, line;
};

struct offsets {
	struct group *groups;
	struct offset *items;
	unsigned ngroups, nitems;
};

struct parser {
	struct offsets *o;
	const char *name;
	unsigned line;
	char *text;
	size_t ntext;
};

__attribute__((format(printf, 2, 3))) static int wrong(const struct parser *p,
						       const char *fmt, ...)
{
	int n = p->line ? snprintf(p->text, p->ntext, "%s:%u: ", p->name,
				   p->line)
			: snprintf(p->text, p->ntext, "%s: ", p->name);
	va_list ap;

	va_start(ap, fmt);
	if (n >= 0 && (size_t)n < p->ntext)
		vsnprintf(p->text + n, p->ntext - (size_t)n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static void *one_more(void *items, unsigned n, size_t size)
{
	if (n & (n - 1)) /* grown at powers of two */
		return items;
	return realloc(items, (n ? n * 2 : 1) * size);
}

/* The next word of a line, and what is left of it. */
static size_t word(const char **p, const char *end, const char **out)
{
	while (*p < end && isspace((unsigned char)**p))
		(*p)++;
	*out = *p;
	while (*p < end && !isspace((unsigned char)**p))
		(*p)++;
	return (size_t)(*p - *out);
}

static bool is_hex(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isxdigit((unsigned char)p[i]))
			return false;
	return true;
}

static int end_group(const struct parser *p)
{
	const struct group *g;
	struct parser at = *p;

	if (!p->o->ngroups)
		return 0;
	g = &p->o->groups[p->o->ngroups - 1];
	if (g->n)
		return 0;
	at.line = g->line;
	return wrong(&at, "build-id %s has no functions", g->id);
}

static int begin_group(struct parser *p, const char *id, size_t len)
{
	struct offsets *o = p->o;
	struct group *g;
	int err = end_group(p);

	if (err)
		return err;
	if (len < 8 || len > ID_MAX || len % 2 || !is_hex(id, len))
		return wrong(p,
			     "build-id %.*s: not 8 to %d hexadecimal digits, "
			     "as `readelf -n` prints it",
			     (int)(len < 160 ? len : 160), id, ID_MAX);
	g = one_more(o->groups, o->ngroups, sizeof(*g));
	if (!g)
		return -ENOMEM;
	o->groups = g;
	g += o->ngroups;
	*g = (struct group){.from = o->nitems, .line = p->line};
	for (size_t i = 0; i < len; i++)
		g->id[i] = (char)tolower((unsigned char)id[i]);
	for (unsigned i = 0; i < o->ngroups; i++)
		if (!strcmp(o->groups[i].id, g->id))
			return wrong(p, "build-id %s was given in line %u",
				     g->id, o->groups[i].line);
	o->ngroups++;
	return 0;
}

static bool number(const char *p, size_t len, uint64_t *out)
{
	char text[24], *end;

	if (!len || len >= sizeof(text) || !isdigit((unsigned char)*p))
		return false;
	memcpy(text, p, len);
	text[len] = 0;
	errno = 0;
	*out = strtoull(text, &end, 0);
	return !*end && !errno && *out && *out < ADDRESS_MAX;
}

static int add_item(struct parser *p, unsigned function, const char *value,
		    size_t len)
{
	struct offsets *o = p->o;
	struct offset it = {.function = function, .line = p->line}, *items;
	struct group *g = o->groups + o->ngroups - 1;
	const char *digits = value;
	size_t ndigits = len;

	if (len > 5 && !memcmp(value, "file:", 5)) {
		it.is_file = true;
		digits += 5;
		ndigits -= 5;
	}
	if (!number(digits, ndigits, &it.at))
		return wrong(p,
			     "%s %.*s: not an address such as 0x1a6b940, or "
			     "file:0x... for an offset into the file",
			     tls_functions[function].name,
			     (int)(len < 40 ? len : 40), value);
	for (unsigned i = g->from; i < o->nitems; i++)
		if (o->items[i].function == function)
			return wrong(p, "%s was given in line %u",
				     tls_functions[function].name,
				     o->items[i].line);
	items = one_more(o->items, o->nitems, sizeof(*items));
	if (!items)
		return -ENOMEM;
	o->items = items;
	o->items[o->nitems++] = it;
	g->n++;
	return 0;
}

static int parse_line(struct parser *p, const char *at, const char *end)
{
	const char *hash = memchr(at, '#', (size_t)(end - at)), *w, *v, *x;
	size_t nw, nv, nx;
	int f;

	end = hash ? hash : end;
	nw = word(&at, end, &w);
	nv = word(&at, end, &v);
	nx = word(&at, end, &x);
	if (!nw)
		return 0;
	if (nx)
		return wrong(p, "%.*s: one value a line",
			     (int)(nx < 40 ? nx : 40), x);
	if (nw == 8 && !memcmp(w, "build-id", 8))
		return begin_group(p, v, nv);
	f = tls_function_find(w, nw);
	if (f < 0)
		return wrong(p,
			     "%.*s: no function that is probed; SSL_write, "
			     "SSL_read, ... (llmguard-trace(1) has the list)",
			     (int)(nw < 60 ? nw : 60), w);
	if (!p->o->ngroups)
		return wrong(p, "%s stands before any `build-id` line",
			     tls_functions[f].name);
	return add_item(p, (unsigned)f, v, nv);
}

int offsets_parse(const char *name, const char *at, size_t len,
		  struct offsets **out, char *text, size_t ntext)
{
	struct parser p = {.name = name, .text = text, .ntext = ntext};
	const char *end = at + len, *eol;
	int err = 0;

	p.o = calloc(1, sizeof(*p.o));
	if (!p.o)
		return -ENOMEM;
	for (; !err && at < end; at = eol + 1) {
		p.line++;
		eol = memchr(at, '\n', (size_t)(end - at));
		eol = eol ? eol : end;
		err = memchr(at, 0, (size_t)(eol - at))
			      ? wrong(&p, "a NUL byte: not a text file")
			      : parse_line(&p, at, eol);
	}
	if (!err)
		err = end_group(&p);
	p.line = 0;
	if (!err && !p.o->ngroups)
		err = wrong(&p, "no `build-id` line in it");
	if (err == -ENOMEM)
		wrong(&p, "no memory");
	if (err)
		offsets_close(p.o);
	else
		*out = p.o;
	return err;
}

static int read_all(int fd, char *p, size_t size)
{
	size_t n = 0;
	ssize_t r = 1;

	while (n < size && r > 0) {
		r = read(fd, p + n, size - n);
		if (r > 0)
			n += (size_t)r;
	}
	return r < 0 ? -errno : (int)n;
}

int offsets_open(const char *path, struct offsets **out, char *text,
		 size_t ntext)
{
	struct parser p = {.name = path, .text = text, .ntext = ntext};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	char *bytes = NULL;
	int err = 0;

	if (fd < 0 || fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	else if (st.st_size > FILE_MAX)
		err = -EFBIG;
	else if (!(bytes = malloc((size_t)st.st_size + 1)))
		err = -ENOMEM;
	if (!err)
		err = read_all(fd, bytes, (size_t)st.st_size);
	if (err < 0)
		wrong(&p, "%s", err == -EINVAL ? "not a file" : strerror(-err));
	else
		err = offsets_parse(path, bytes, (size_t)err, out, text, ntext);
	free(bytes);
	if (fd >= 0)
		close(fd);
	return err;
}

void offsets_close(struct offsets *o)
{
	if (!o)
		return;
	free(o->groups);
	free(o->items);
	free(o);
}

unsigned offsets_of(const struct offsets *o, const char *build_id,
		    const struct offset **out)
{
	for (unsigned i = 0; o && *build_id && i < o->ngroups; i++) {
		if (strcmp(o->groups[i].id, build_id))
			continue;
		*out = o->items + o->groups[i].from;
		return o->groups[i].n;
	}
	return 0;
}
