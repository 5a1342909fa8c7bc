#include "bpf/object.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/binary.h"
#include "bpf/bus.h"
#include "bpf/gofunc.h"

struct place {
	uint64_t addr, len; /* addr 0: not there */
};

struct reader {
	const void *p;
	size_t size;
	bool may_return;
	const struct offsets *user;
	struct object *out;
	struct elf elf;
	struct place place[TLS_FUNCTIONS];
	bool done[TLS_FUNCTIONS];
};

__attribute__((format(printf, 2, 3))) static void note(struct object *o,
						       const char *fmt, ...)
{
	va_list ap;

	if (o->note[0]) /* the first says most */
		return;
	va_start(ap, fmt);
	vsnprintf(o->note, sizeof(o->note), fmt, ap);
	va_end(ap);
}

static bool add_point(struct object *o, const struct object_point *p)
{
	for (unsigned i = 0; i < o->npoints; i++)
		if (o->points[i].file_at == p->file_at &&
		    o->points[i].end == p->end &&
		    o->points[i].is_return == p->is_return)
			return true; /* two names of one function */
	if (o->npoints == OBJECT_POINTS_MAX) {
		note(o, "more than %u probes: not all are there",
		     OBJECT_POINTS_MAX);
		return false;
	}
	o->points[o->npoints++] = *p;
	return true;
}

static void add_site(struct object *o, const struct site *s, const char *name,
		     uint16_t end_arg)
{
	struct object_point p = {.file_at = s->entry_at,
				 .fn = s->fn,
				 .end_arg = s->nends ? PROBE_ARG_ENDS : 0,
				 .is_cheap = s->entry_is_cheap};

	if (!add_point(o, &p))
		return;
	o->has_reads = o->has_reads || site_is_read(s->fn);
	o->has_writes = o->has_writes || site_is_write(s->fn);
	for (unsigned i = 0; i < s->nends; i++)
		add_point(o, &(struct object_point){
				     .file_at = s->ends[i],
				     .fn = s->fn,
				     .end = s->end,
				     .end_arg = end_arg,
				     .is_return = s->end_is_return,
				     .is_cheap = s->end_is_cheap,
			     });
	if (site_is_read(s->fn) && (s->leaves || s->end == PROBE_END_NONE))
		note(o,
		     "%s leaves by jumps: without return probes not every "
		     "answer is seen",
		     name);
}

static int find_place(const struct reader *r, const struct place *at,
		      enum probe_fn fn, struct site *out)
{
	struct site_text text;

	if (!at->addr || !binary_text(&r->elf, at->addr, &text))
		return -ENOENT;
	return site_find(&text, at->addr, at->len, fn, r->may_return, out);
}

static void probe_one(struct reader *r, unsigned i)
{
	struct site s;
	int err;

	if (!r->place[i].addr || r->done[i])
		return;
	r->done[i] = true;
	err = find_place(r, &r->place[i], tls_functions[i].fn, &s);
	if (!err)
		add_site(r->out, &s, tls_functions[i].name, s.end_arg);
	else if (err == -EOPNOTSUPP)
		note(r->out,
		     "%s takes its arguments on the stack (Go before 1.17)",
		     tls_functions[i].name);
	else
		note(r->out, "%s: no code at 0x%llx", tls_functions[i].name,
		     (unsigned long long)r->place[i].addr);
}

/* Of those that are there, does each call the same internal function? */
static bool share(const struct reader *r, bool is_read, uint64_t *callee,
		  enum probe_fn *as)
{
	struct site_text text;
	unsigned n = 0;
	uint64_t one = 0;
	enum probe_fn fn;

	*as = PROBE_NONE;
	for (unsigned i = 0; i < TLS_FUNCTIONS; i++) {
		fn = tls_functions[i].fn;
		if (tls_functions[i].family != FAMILY_OPENSSL ||
		    !r->place[i].addr ||
		    !(is_read ? site_is_read(fn) : site_is_write(fn)))
			continue;
		if (!binary_text(&r->elf, r->place[i].addr, &text) ||
		    site_callee(&text, r->place[i].addr, fn, &one, &fn))
			return false;
		if (n++ && (one != *callee || fn != *as))
			return false;
		*callee = one;
		*as = fn;
	}
	return n > 1;
}

/* One pair of probes for SSL_write, SSL_write_ex, ...: where it is cheap. */
static void probe_shared(struct reader *r, bool is_read)
{
	struct place at = {0};
	struct site s;
	enum probe_fn fn;

	if (!share(r, is_read, &at.addr, &fn) || find_place(r, &at, fn, &s) ||
	    !s.entry_is_cheap || (is_read && (s.leaves || !s.end_is_cheap)))
		return;
	for (unsigned i = 0; i < TLS_FUNCTIONS; i++) {
		if (tls_functions[i].family == FAMILY_OPENSSL &&
		    (is_read ? site_is_read(tls_functions[i].fn)
			     : site_is_write(tls_functions[i].fn)))
			r->done[i] = true;
	}
	add_site(r->out, &s, is_read ? "SSL_read" : "SSL_write",
		 PROBE_ARG_INNER);
}

static struct place *place_of(struct reader *r, const char *name)
{
	return &r->place[tls_function_find(name, strlen(name))];
}

/* gnutls_record_send only calls gnutls_record_send2: one of them counts. */
static void drop_wrapper(struct reader *r)
{
	struct place *send = place_of(r, "gnutls_record_send");
	struct place *send2 = place_of(r, "gnutls_record_send2");
	struct site_text text;
	enum probe_fn as;
	uint64_t callee;
	const char *name;

	if (!send->addr || !send2->addr ||
	    !binary_text(&r->elf, send->addr, &text) ||
	    site_callee(&text, send->addr, PROBE_GNUTLS_SEND, &callee, &as))
		return;
	name = callee == send2->addr ? "gnutls_record_send2"
				     : binary_stub_name(&r->elf, &text, callee);
	if (name && !strcmp(name, "gnutls_record_send2"))
		send->addr = 0;
}

struct family_mask {
	struct reader *r;
	unsigned families; /* bits that are wanted */
	unsigned found;
};

static bool keep_symbol(void *arg, const char *name, const Elf64_Sym *s)
{
	struct family_mask *m = arg;
	struct place *p;
	int i;

	if ((name[0] != 'S' && name[0] != 'g' && name[0] != '_') ||
	    ELF64_ST_TYPE(s->st_info) != STT_FUNC || !s->st_value)
		return true;
	i = tls_function_find(name, strlen(name));
	if (i < 0 || !(m->families & 1u << tls_functions[i].family))
		return true;
	p = &m->r->place[i];
	if (!p->addr) {
		*p = (struct place){s->st_value, s->st_size};
		m->found++;
	}
	return true;
}

/*
 * Of whom functions are probed here. A library that exports everybody's is
 * one that interposes them, and one that has OpenSSL's names but imports
 * GnuTLS hands on to that: what they call is probed.
 */
static unsigned families_of(const struct elf *e)
{
	const unsigned all = ELF_BIT(ELF_SSL_WRITE) | ELF_BIT(ELF_GNUTLS) |
			     ELF_BIT(ELF_PR_SEND);
	unsigned f = 1u << FAMILY_OPENSSL | 1u << FAMILY_GNUTLS;

	if ((e->exports & all) == all)
		return 0;
	if (e->imports & ELF_BIT(ELF_GNUTLS))
		f &= ~(1u << FAMILY_OPENSSL);
	return f;
}

static bool is_loader(const struct elf *e)
{
	return e->soname ? !strncmp(e->soname, "ld-", 3) ||
				   !strncmp(e->soname, "ld.", 3) ||
				   !strncmp(e->soname, "libc.musl", 9) ||
				   !strcmp(e->soname, "libc.so")
			 : !e->nneeded && !e->interp;
}

static void find_symbols(struct reader *r)
{
	struct family_mask m = {r, families_of(&r->elf), 0};

	if (is_loader(&r->elf))
		m.families |= 1u << FAMILY_LOADER;
	elf_each_symbol(&r->elf, &r->elf.dynsym, keep_symbol, &m);
	if (!place_of(r, "SSL_write")->addr &&
	    !place_of(r, "gnutls_record_send")->addr)
		elf_each_symbol(&r->elf, &r->elf.symtab, keep_symbol, &m);
}

static void find_go(struct reader *r)
{
	struct gofunc f[TLS_FUNCTIONS];
	unsigned index[TLS_FUNCTIONS], n = 0;
	struct gotab t;

	if (!gofunc_is_go(&r->elf))
		return;
	for (unsigned i = 0; i < TLS_FUNCTIONS; i++) {
		if (tls_functions[i].family != FAMILY_GO)
			continue;
		index[n] = i;
		f[n++] = (struct gofunc){.name = tls_functions[i].name};
	}
	if (!gofunc_find(&r->elf, f, n) &&
	    gofunc_table(&r->elf, &t) == -EPROTONOSUPPORT)
		note(r->out, "Go before 1.16: its functions are not found");
	for (unsigned i = 0; i < n; i++)
		r->place[index[i]] = (struct place){f[i].addr, f[i].len};
}

static void take_offsets(struct reader *r)
{
	const struct offset *o;
	unsigned n = offsets_of(r->user, r->out->build_id, &o);
	struct place *p;

	for (unsigned i = 0; i < n; i++) {
		p = &r->place[o[i].function];
		*p = (struct place){o[i].at, 0};
		if (o[i].is_file && !binary_address(&r->elf, o[i].at, &p->addr))
			p->addr = 0;
		if (!p->addr ||
		    !binary_text(&r->elf, p->addr, &(struct site_text){0}))
			note(r->out,
			     "%s: 0x%llx (line %u of the offsets) is not in "
			     "its code",
			     tls_functions[o[i].function].name,
			     (unsigned long long)o[i].at, o[i].line);
		r->out->kinds |= OBJECT_OFFSETS;
	}
}

static void set_kinds(struct reader *r)
{
	struct object *o = r->out;

	for (unsigned i = 0; i < TLS_FUNCTIONS; i++) {
		if (!r->place[i].addr)
			continue;
		switch (tls_functions[i].family) {
		case FAMILY_OPENSSL:
			o->kinds |= (r->elf.exports | r->elf.locals) &
						    ELF_BIT(ELF_BORING)
					    ? OBJECT_BORINGSSL
					    : OBJECT_OPENSSL;
			break;
		case FAMILY_GNUTLS:
			o->kinds |= OBJECT_GNUTLS;
			break;
		case FAMILY_GO:
			o->kinds |= OBJECT_GO;
			break;
		case FAMILY_LOADER:
			o->kinds |= OBJECT_LOADER;
			break;
		}
	}
}

static void describe(struct reader *r)
{
	struct object *o = r->out;
	const char *so = r->elf.soname;
	char go[48] = "Go", text[96];

	if (!strncmp(r->elf.go, "go", 2) && r->elf.go[2])
		snprintf(go, sizeof(go), "Go %s", r->elf.go + 2);
	snprintf(text, sizeof(text), "%s%s%.24s",
		 o->kinds & OBJECT_BORINGSSL ? "BoringSSL"
		 : o->kinds & OBJECT_OPENSSL ? "OpenSSL"
		 : o->kinds & OBJECT_GNUTLS  ? "GnuTLS"
		 : o->kinds & OBJECT_GO	     ? go
		 : o->kinds & OBJECT_LOADER  ? "the loader"
		 : o->kinds & OBJECT_OFFSETS ? "offsets by build-id"
					     : "nothing",
		 !o->kinds ? ""
		 : so	   ? ", "
			   : ", static",
		 o->kinds && so ? so : "");
	snprintf(o->what, sizeof(o->what), "%.47s", text);
	if (o->kinds & OBJECT_GO || o->kinds == OBJECT_OFFSETS)
		o->what[strcspn(o->what, ",")] = 0;
	for (char *p = o->what; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
}

static int parse(void *arg)
{
	struct reader *r = arg;
	int err = elf_parse(r->p, r->size, &r->elf);

	if (err)
		return err;
	if (!r->elf.same_machine || r->elf.machine != EM_X86_64)
		return -ENOEXEC;
	binary_build_id(&r->elf, r->out->build_id);
	find_symbols(r);
	find_go(r);
	take_offsets(r);
	set_kinds(r);
	drop_wrapper(r);
	probe_shared(r, false);
	probe_shared(r, true);
	for (unsigned i = 0; i < TLS_FUNCTIONS; i++)
		probe_one(r, i);
	if (r->out->has_writes != r->out->has_reads)
		note(r->out, "no function that %s is known",
		     r->out->has_reads ? "writes" : "reads");
	describe(r);
	return 0;
}

int object_parse(const void *p, size_t size, bool may_return,
		 const struct offsets *user, struct object *out)
{
	struct reader r = {.p = p,
			   .size = size,
			   .may_return = may_return,
			   .user = user,
			   .out = out};
	int err;

	memset(out, 0, sizeof(*out));
	err = bus_guard(parse, &r);
	if (err)
		memset(out, 0, sizeof(*out));
	return err;
}

int object_read(const char *path, bool may_return, const struct offsets *user,
		struct object *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	void *p = NULL;
	int err = 0;

	memset(out, 0, sizeof(*out));
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		err = -ENOEXEC;
	if (!err) {
		/* shared: private mappings get the kernel's breakpoints */
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd,
			 0);
		err = p == MAP_FAILED ? -errno : 0;
	}
	close(fd);
	if (err)
		return err;
	err = object_parse(p, (size_t)st.st_size, may_return, user, out);
	munmap(p, (size_t)st.st_size);
	return err;
}

uint64_t object_cookie(const struct object_point *p, uint32_t number)
{
	return PROBE_COOKIE(p->fn, p->end, p->end_arg, number);
}
