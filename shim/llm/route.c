#include "llm/route.h"

#include <string.h>

#include "llm/adapter.h"
#include "llm/gateway.h"
#include "llm/hosts.h"
#include "llm/place.h"

#define PATH_MAX_LEN 1024

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The path of an origin or absolute form; empty where there is none. */
static struct lg_slice target_path(struct lg_slice t)
{
	struct lg_slice path;
	size_t i;

	if (lg_slice_istarts(t, LG_SLICE("http://")) ||
	    lg_slice_istarts(t, LG_SLICE("https://"))) {
		for (i = 8; i < t.len && t.p[i] != '/'; i++)
			;
		i = i < t.len ? i : t.len;
		t = (struct lg_slice){t.p + i, t.len - i};
	}
	if (!t.len || t.p[0] != '/')
		return (struct lg_slice){NULL, 0};
	lg_slice_cut(t, '?', &path);
	t = path;
	lg_slice_cut(t, '#', &path);
	return path;
}

/* A segment ended before out[n]: "", "." and ".." leave nothing behind. */
static size_t end_segment(const char *out, size_t n)
{
	size_t from = n;

	while (from && out[from - 1] != '/')
		from--;
	if (n == from || (n - from == 1 && out[from] == '.'))
		return from;
	if (n - from != 2 || out[from] != '.' || out[from + 1] != '.')
		return n;
	for (from -= from > 1; from && out[from - 1] != '/'; from--)
		;
	return from;
}

/*
 * Percent-decoded, without empty and dot segments and trailing slash. Of what
 * is longer only the end is kept: it decides.
 */
static struct lg_slice clean_path(struct lg_slice path, char *out, size_t cap)
{
	size_t i = 0, n = 0;

	if (path.len > cap)
		i = path.len - cap;
	for (; i < path.len; i++) {
		char c = path.p[i];

		if (c == '%' && i + 2 < path.len && hex(path.p[i + 1]) >= 0 &&
		    hex(path.p[i + 2]) >= 0) {
			c = (char)(hex(path.p[i + 1]) << 4 |
				   hex(path.p[i + 2]));
			i += 2;
		}
		if (c == '/') {
			n = end_segment(out, n);
			if (n && out[n - 1] == '/')
				continue;
		}
		out[n++] = c;
	}
	n = end_segment(out, n);
	if (n > 1 && out[n - 1] == '/')
		n--;
	return (struct lg_slice){out, n};
}

static bool has_method(const char *methods, struct lg_slice method)
{
	struct lg_slice rest = lg_slice_str(methods), one;

	while (rest.len) {
		rest = lg_slice_cut(rest, ' ', &one);
		if (lg_slice_ieq(one, method)) /* some servers do so */
			return true;
	}
	return false;
}

static struct lg_slice last_segment(struct lg_slice path)
{
	size_t from = path.len;

	while (from && path.p[from - 1] != '/')
		from--;
	return (struct lg_slice){path.p + from, path.len - from};
}

/* "A/model/M/verb": a name may be an ARN with slashes. */
static struct lg_slice middle_of(struct lg_slice path)
{
	struct lg_slice mark = LG_SLICE("/model/"), s = path;

	while (s.len && !lg_slice_istarts(s, mark)) {
		s.p++;
		s.len--;
	}
	if (s.len < mark.len)
		return (struct lg_slice){NULL, 0};
	s.p += mark.len;
	s.len -= mark.len;
	while (s.len && s.p[--s.len] != '/')
		;
	return s;
}

/* The segment behind the last mark: "/deployments/", "/responses/" ... */
static struct lg_slice behind(struct lg_slice path, struct lg_slice mark)
{
	struct lg_slice out = {NULL, 0};
	size_t i;

	for (i = 0; i + mark.len < path.len; i++) {
		struct lg_slice s = {path.p + i, path.len - i};

		if (!lg_slice_istarts(s, mark))
			continue;
		s.p += mark.len;
		s.len -= mark.len;
		lg_slice_cut(s, '/', &out);
	}
	return out;
}

/* From behind the first "/models/" to the last "/v1/". */
static struct lg_slice models_of(struct lg_slice path)
{
	static const struct lg_slice from = {"/models/", 8}, to = {"/v1/", 4};
	struct lg_slice s = path;

	while (s.len && !lg_slice_istarts(s, from)) {
		s.p++;
		s.len--;
	}
	if (!s.len)
		return s;
	path = (struct lg_slice){s.p + from.len, s.len - from.len};
	for (s.len = path.len; s.len; s.len--)
		if (path.len - s.len >= to.len &&
		    lg_slice_istarts((struct lg_slice){path.p + s.len, to.len},
				     to))
			break;
	return (struct lg_slice){path.p, s.len};
}

/* ".../M:method". */
static struct lg_slice before_colon(struct lg_slice path)
{
	struct lg_slice model = last_segment(path);

	while (model.len && model.p[model.len - 1] != ':')
		model.len--;
	model.len -= model.len > 0;
	return model;
}

static struct lg_slice path_model(enum lg_model_at at, struct lg_slice path)
{
	switch (at) {
	case LG_MODEL_METHOD:
		return before_colon(path);
	case LG_MODEL_DEPLOYMENT:
		return behind(path, LG_SLICE("/deployments/"));
	case LG_MODEL_MIDDLE:
		return middle_of(path);
	case LG_MODEL_MODELS:
		return models_of(path);
	default:
		return (struct lg_slice){NULL, 0};
	}
}

static bool holds_at(const struct lg_path_rule *r, const char *family)
{
	if (!family)
		return !r->listed;
	return !r->family || !strcmp(r->family, family);
}

static const struct lg_path_rule *find_rule(struct lg_slice method,
					    struct lg_slice path,
					    const char *family)
{
	unsigned i;

	for (i = 0; i < lg_npath_rules; i++)
		if (holds_at(&lg_path_rules[i], family) &&
		    lg_route_fits(path,
				  lg_slice_str(lg_path_rules[i].pattern)) &&
		    has_method(lg_path_rules[i].methods, method))
			return &lg_path_rules[i];
	return NULL;
}

/* Hosts of the user's own naming, and those that resell other makers' APIs. */
static bool serves_many(const char *provider)
{
	return !provider || !strcmp(provider, "azure") ||
	       !strcmp(provider, "cloudflare");
}

/* They may serve other families' paths too. */
static const struct lg_path_rule *find_foreign(struct lg_slice method,
					       struct lg_slice path)
{
	unsigned i;

	for (i = 0; i < lg_npath_rules; i++)
		if (lg_path_rules[i].family && lg_path_rules[i].dialect &&
		    lg_route_fits(path,
				  lg_slice_str(lg_path_rules[i].pattern)) &&
		    has_method(lg_path_rules[i].methods, method))
			return &lg_path_rules[i];
	return NULL;
}

static const struct lg_dialect *family_dialect(const char *family)
{
	unsigned i;

	for (i = 0; i < lg_ndialects; i++)
		if (!strcmp(lg_dialects[i]->family, family))
			return lg_dialects[i];
	return lg_dialects[0];
}

static void name_place(const char *family, struct lg_slice host,
		       struct lg_slice path, struct lg_route *out)
{
	struct lg_slice name = lg_route_host_name(host), model, place;

	/* the host alone does not say it */
	if (family && !strcmp(family, "gemini"))
		lg_slice_copy(behind(path, LG_SLICE("/locations/")), out->geo,
			      sizeof(out->geo));
	if (out->kind == LG_ROUTE_PAID &&
	    !strcmp(out->dialect->family, "aws")) {
		model = lg_slice_str(out->model);
		place = lg_place_aws(model, name);
		lg_slice_copy(place, out->geo, sizeof(out->geo));
	}
	out->own =
		family && !strcmp(family, "ollama") && lg_place_is_local(name);
}

void lg_route_request(const char *family, const char *provider,
		      struct lg_slice host, struct lg_slice method,
		      struct lg_slice target, struct lg_route *out)
{
	char buf[PATH_MAX_LEN];
	struct lg_slice path =
		clean_path(target_path(target), buf, sizeof(buf));
	const struct lg_path_rule *rule = find_rule(method, path, family);
	struct lg_slice name =
		provider ? lg_slice_str(provider) : lg_route_host_name(host);

	memset(out, 0, sizeof(*out));
	if (!rule && family && serves_many(provider))
		rule = find_foreign(method, path);
	if (!family && !rule)
		return;
	lg_slice_copy(name, out->provider, sizeof(out->provider));
	lg_gateway_path(path, out->provider, sizeof(out->provider));
	out->dialect = rule && rule->dialect
			       ? rule->dialect
			       : family_dialect(family ? family : "openai");
	out->type = rule ? rule->type : LG_REQUEST_OTHER;
	out->kind = rule ? rule->kind : LG_ROUTE_UNKNOWN;
	if (!rule)
		return;
	out->stream = rule->stream;
	lg_slice_copy(path_model(rule->model, path), out->model,
		      sizeof(out->model));
	if (rule->ref)
		lg_slice_copy(behind(path, lg_slice_str(rule->ref)), out->ref,
			      sizeof(out->ref));
	name_place(family, host, path, out);
}
