#include "base/url.h"

#include <errno.h>
#include <string.h>

static bool is_plain(struct lg_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static struct lg_slice behind(struct lg_slice s, size_t n)
{
	return (struct lg_slice){s.p + n, s.len - n};
}

static struct lg_slice without_slash(struct lg_slice path)
{
	while (path.len && path.p[path.len - 1] == '/')
		path.len--;
	return path;
}

static bool is_host(struct lg_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (strchr("@?#\\\"'<>[]%", s.p[i]))
			return false;
	return s.len && memchr(s.p, 0, s.len) == NULL;
}

static const char *read_port(struct lg_slice s, uint16_t *port)
{
	uint64_t n;

	if (!s.len)
		return NULL;
	if (s.p[0] != ':' || lg_slice_u64(behind(s, 1), &n) || !n || n > 65535)
		return "allowed: a port of 1 to 65535";
	*port = (uint16_t)n;
	return NULL;
}

static const char *read_host(struct lg_url *u)
{
	struct lg_slice rest, host = u->name;

	if (u->name.len && u->name.p[0] == '[') {
		const char *end = memchr(u->name.p, ']', u->name.len);

		if (!end)
			return "allowed: [IPv6 address] in brackets";
		host.p++;
		host.len = (size_t)(end - host.p);
		rest = behind(u->name, (size_t)(end - u->name.p) + 1);
	} else {
		lg_slice_cut(u->name, ':', &host);
		rest = behind(u->name, host.len);
	}
	u->host = host;
	if (!is_host(host))
		return "allowed: a host, without user or password";
	return read_port(rest, &u->port);
}

static const char *read_web(struct lg_slice s, struct lg_url *u)
{
	lg_slice_cut(s, '/', &u->name);
	u->path = without_slash(behind(s, u->name.len));
	if (memchr(u->path.p ? u->path.p : "", '#', u->path.len) ||
	    memchr(u->path.p ? u->path.p : "", '?', u->path.len))
		return "allowed: no query";
	return read_host(u);
}

static const char *read_socket(struct lg_slice s, struct lg_url *u)
{
	struct lg_slice rest = lg_slice_cut(s, ':', &u->host);

	u->local_socket = true;
	u->name = LG_SLICE("localhost");
	u->path = without_slash(rest);
	if (u->host.len < 2 || u->host.p[0] != '/' || u->host.len > 107)
		return "allowed: unix: and the full path of a socket";
	if (rest.len && rest.p[0] != '/')
		return "allowed: a path that begins with / behind the socket";
	return NULL;
}

int lg_url_parse(struct lg_slice s, struct lg_url *out, const char **why)
{
	const struct lg_slice http = LG_SLICE("http://");
	const struct lg_slice https = LG_SLICE("https://");
	const struct lg_slice local = LG_SLICE("unix:");

	memset(out, 0, sizeof(*out));
	if (s.len > LG_URL_MAX || !is_plain(s)) {
		*why = "allowed: a URL of at most 127 bytes, without blanks";
		return -EINVAL;
	}
	out->tls = lg_slice_istarts(s, https);
	out->port = out->tls ? 443 : 80;
	if (lg_slice_istarts(s, http))
		*why = read_web(behind(s, http.len), out);
	else if (out->tls)
		*why = read_web(behind(s, https.len), out);
	else if (lg_slice_istarts(s, local))
		*why = read_socket(behind(s, local.len), out);
	else
		*why = "allowed: http://HOST[:PORT][/PATH], https://..., "
		       "unix:/SOCKET[:/PATH]";
	return *why ? -EINVAL : 0;
}

/* 127.0.0.0/8 (RFC 1122 3.2.1.3), written out in four parts. */
static bool is_loopback_v4(struct lg_slice s)
{
	unsigned dots = 0;

	if (!lg_slice_starts(s, LG_SLICE("127.")))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		dots += s.p[i] == '.';
		if (s.p[i] != '.' && (s.p[i] < '0' || s.p[i] > '9'))
			return false;
	}
	return dots == 3;
}

bool lg_url_is_loopback(const struct lg_url *u)
{
	return u->local_socket ||
	       lg_slice_ieq(u->host, LG_SLICE("localhost")) ||
	       lg_slice_ieq(u->host, LG_SLICE("::1")) ||
	       is_loopback_v4(u->host);
}
