#ifndef LG_LLM_ROUTE_H
#define LG_LLM_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "llm/dialect.h"

/*
 * Which provider a host is, and which dialect a request to it speaks: tables.
 * Any thread, no allocation.
 */
struct lg_provider_host {
	const char *pattern;  /* glob over the host, no port */
	const char *provider; /* price-list id: openai, anthropic */
	const char *family;   /* dialect family of its paths */
};

enum lg_route_kind {
	LG_ROUTE_NONE,	  /* not an LLM host or path */
	LG_ROUTE_PAID,	  /* dialect known: hold and decide */
	LG_ROUTE_FREE,	  /* known free endpoint: row, exact 0 */
	LG_ROUTE_UNKNOWN, /* LLM host, unknown path: row, unknown */
	LG_ROUTE_LATER,	  /* free to ask, but its answer may bill a call made
			     earlier: a stored response, a batch, a job */
};

struct lg_route {
	enum lg_route_kind kind;
	const struct lg_dialect *dialect; /* of PAID (and error shape) */
	enum lg_request_type type;
	char provider[LG_NAME_MAX];
	char model[LG_MODEL_MAX]; /* from the path, else "" */
	char geo[24];		  /* from host or path: "us", "eu-west-1", "" */
	char ref[LG_NAME_MAX];	  /* of LATER: the id in the path, else "" */
	bool stream;		  /* the path says so (Gemini) */
	bool own;		  /* an Ollama of one's own, see llm/place.h */
};

/*
 * Is this host (SNI or Host, port allowed, any case) a provider's? NULL when
 * not. Config's hosts: are not known here; the caller asks them first.
 */
const struct lg_provider_host *lg_route_host(struct lg_slice host);
/* The i-th line of the table, NULL behind the last one. */
const struct lg_provider_host *lg_route_nth_host(unsigned i);
/* As lg_slice_glob, quick to say no. */
bool lg_route_fits(struct lg_slice text, struct lg_slice pattern);
/* host without port, brackets and final dot; borrowed from it. */
struct lg_slice lg_route_host_name(struct lg_slice host);

/*
 * Route one request. family: from the host table, config's hosts, or NULL
 * (unlisted host: only complete path families of known dialects count, and
 * provider becomes the host name). provider NULL: the host's name is used.
 * target is the request target (origin or absolute form).
 */
void lg_route_request(const char *family, const char *provider,
		      struct lg_slice host, struct lg_slice method,
		      struct lg_slice target, struct lg_route *out);

#endif
