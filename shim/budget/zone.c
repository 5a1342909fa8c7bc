#include "budget/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "budget/tzrule.h"

/* The largest file of tzdata has 4 KB; "fat" ones stay below 8. */
#define FILE_MAX 65536
#define HEADER 44

struct zone_time {
	int64_t at_s;
	int32_t offset_s;
};

struct lg_zone {
	char name[LG_ZONE_NAME_MAX];
	size_t size; /* of this block */
	struct lg_tzrule rule;
	bool has_rule;
	int32_t first_offset_s; /* before the first transition */
	uint32_t n;
	struct zone_time times[];
};

struct counts {
	uint32_t isut, isstd, leap, time, type, chars;
};

static const char *const zone_dirs[] = {
	"/usr/share/zoneinfo/",
	"/usr/lib/zoneinfo/",
	"/etc/zoneinfo/",
};

static uint32_t be32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 |
	       (uint32_t)u[2] << 8 | u[3];
}

static int64_t be_time(const char *p, size_t width)
{
	if (width == 4)
		return (int32_t)be32(p);
	return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static int read_header(struct lg_slice s, struct counts *c)
{
	if (s.len < HEADER || memcmp(s.p, "TZif", 4))
		return -EPROTO;
	c->isut = be32(s.p + 20);
	c->isstd = be32(s.p + 24);
	c->leap = be32(s.p + 28);
	c->time = be32(s.p + 32);
	c->type = be32(s.p + 36);
	c->chars = be32(s.p + 40);
	if (c->isut > 256 || c->isstd > 256 || c->leap > 4096 ||
	    c->time > 8192 || !c->type || c->type > 256 || c->chars > 4096)
		return -EPROTO;
	return 0;
}

static size_t block_size(const struct counts *c, size_t width)
{
	return (size_t)c->time * (width + 1) + (size_t)c->type * 6 + c->chars +
	       (size_t)c->leap * (width + 4) + c->isstd + c->isut;
}

static int type_offset(const char *types, const struct counts *c, unsigned i,
		       int32_t *out)
{
	if (i >= c->type)
		return -EPROTO;
	*out = (int32_t)be32(types + (size_t)i * 6);
	return *out > -93600 && *out < 93600 ? 0 : -EPROTO;
}

static int fill(struct lg_zone *z, const char *p, const struct counts *c,
		size_t width)
{
	const char *index = p + (size_t)c->time * width;
	const char *types = index + c->time;
	uint32_t i;

	if (type_offset(types, c, 0, &z->first_offset_s))
		return -EPROTO;
	for (i = 0; i < c->time; i++) {
		z->times[i].at_s = be_time(p + (size_t)i * width, width);
		if (i && z->times[i].at_s <= z->times[i - 1].at_s)
			return -EPROTO;
		if (type_offset(types, c, (unsigned char)index[i],
				&z->times[i].offset_s))
			return -EPROTO;
	}
	return 0;
}

/* "\n<TZ string>\n"; an empty string is allowed and says nothing. */
static int footer(struct lg_zone *z, struct lg_slice s)
{
	const char *nl;

	if (s.len < 2 || s.p[0] != '\n')
		return -EPROTO;
	nl = memchr(s.p + 1, '\n', s.len - 1);
	if (!nl)
		return -EPROTO;
	s = (struct lg_slice){s.p + 1, (size_t)(nl - s.p - 1)};
	if (!s.len)
		return 0;
	if (lg_tzrule_parse(s, &z->rule))
		return -EPROTO;
	z->has_rule = true;
	if (!z->name[0])
		lg_slice_copy(s, z->name, sizeof(z->name));
	return 0;
}

int lg_zone_parse(struct lg_slice s, const char *name, struct lg_zone **out)
{
	struct lg_zone *z;
	struct counts c;
	size_t width = 4, size, body;
	int err = read_header(s, &c);

	if (err)
		return err;
	if (s.p[4] >= '2') {
		body = HEADER + block_size(&c, 4);
		if (s.len < body)
			return -EPROTO;
		s = (struct lg_slice){s.p + body, s.len - body};
		err = read_header(s, &c);
		if (err)
			return err;
		width = 8;
	}
	body = HEADER + block_size(&c, width);
	if (s.len < body)
		return -EPROTO;
	size = sizeof(*z) + c.time * sizeof(z->times[0]);
	z = lg_mem_alloc(size);
	if (!z)
		return -ENOMEM;
	z->size = size;
	z->n = c.time;
	lg_slice_copy(lg_slice_str(name), z->name, sizeof(z->name));
	err = fill(z, s.p + HEADER, &c, width);
	if (!err && width == 8)
		err = footer(z, (struct lg_slice){s.p + body, s.len - body});
	if (err) {
		lg_zone_close(z);
		return err;
	}
	if (!z->name[0])
		strcpy(z->name, "localtime");
	*out = z;
	return 0;
}

static bool name_ok(const char *name)
{
	static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "abcdefghijklmnopqrstuvwxyz0123456789_+-/";
	size_t n = strlen(name);

	return n && n < 64 && name[0] != '/' && strspn(name, ok) == n;
}

static int open_utc(struct lg_zone **out)
{
	struct lg_zone *z = lg_mem_alloc(sizeof(*z));

	if (!z)
		return -ENOMEM;
	z->size = sizeof(*z);
	strcpy(z->name, "UTC");
	*out = z;
	return 0;
}

static int open_file(const char *path, const char *name, struct lg_zone **out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n, len = 0;
	struct stat st;
	char *p = NULL;
	int err = -ENOENT;

	if (fd < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		goto out;
	err = -EPROTO;
	if (st.st_size < HEADER || st.st_size > FILE_MAX)
		goto out;
	err = -ENOMEM;
	p = lg_mem_alloc((size_t)st.st_size);
	if (!p)
		goto out;
	while (len < st.st_size &&
	       (n = read(fd, p + len, (size_t)(st.st_size - len))) > 0)
		len += n;
	err = lg_zone_parse((struct lg_slice){p, (size_t)len}, name, out);
out:
	lg_mem_free(p, p ? (size_t)st.st_size : 0);
	close(fd);
	return err;
}

static bool is_utc(const char *name)
{
	static const char *const names[] = {
		"UTC",	"Etc/UTC",  "Etc/UCT",	 "UCT",
		"Zulu", "Etc/Zulu", "Universal", "Etc/Universal",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static int open_named(const char *name, struct lg_zone **out)
{
	char path[128];
	int err = -ENOENT;
	size_t i;

	if (!name_ok(name))
		return -ENOENT;
	if (is_utc(name))
		return open_utc(out);
	for (i = 0; i < sizeof(zone_dirs) / sizeof(zone_dirs[0]); i++) {
		strcpy(path, zone_dirs[i]);
		strcat(path, name);
		err = open_file(path, name, out);
		if (err != -ENOENT)
			break;
	}
	return err;
}

/* /etc/localtime is mostly a link into the zone directory: its name. */
static const char *link_name(char *buf, size_t cap)
{
	ssize_t n = readlink("/etc/localtime", buf, cap - 1);
	char *p;

	if (n <= 0)
		return NULL;
	buf[n] = 0;
	p = strstr(buf, "zoneinfo/");
	if (!p)
		return NULL;
	p += strlen("zoneinfo/");
	if (!strncmp(p, "posix/", 6))
		p += 6;
	return name_ok(p) ? p : NULL;
}

int lg_zone_open(const char *name, struct lg_zone **out)
{
	int saved = errno, err;
	char buf[256];

	if (name) {
		err = open_named(name, out);
	} else {
		name = link_name(buf, sizeof(buf));
		if (name && is_utc(name))
			err = open_utc(out);
		else
			err = open_file("/etc/localtime", name, out);
		if (err == -ENOENT)
			err = open_utc(out);
	}
	errno = saved;
	return err;
}

void lg_zone_close(struct lg_zone *z)
{
	if (z)
		lg_mem_free(z, z->size);
}

const char *lg_zone_name(const struct lg_zone *z)
{
	return z->name;
}

/* How many transitions lie at or before the instant. */
static uint32_t passed(const struct lg_zone *z, int64_t unix_s)
{
	uint32_t lo = 0, hi = z->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (z->times[mid].at_s <= unix_s)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void lg_zone_span(const struct lg_zone *z, int64_t unix_s,
		  struct lg_zone_span *out)
{
	uint32_t i = passed(z, unix_s);

	if (i == z->n && z->has_rule) {
		lg_tzrule_span(&z->rule, unix_s, out);
		if (i && out->start_s < z->times[i - 1].at_s)
			out->start_s = z->times[i - 1].at_s;
		return;
	}
	out->start_s = i ? z->times[i - 1].at_s : INT64_MIN;
	out->end_s = i < z->n ? z->times[i].at_s : INT64_MAX;
	out->offset_s = i ? z->times[i - 1].offset_s : z->first_offset_s;
}

int32_t lg_zone_offset(const struct lg_zone *z, int64_t unix_s)
{
	struct lg_zone_span s;

	lg_zone_span(z, unix_s, &s);
	return s.offset_s;
}
