#ifndef LG_LLM_HOSTS_H
#define LG_LLM_HOSTS_H

#include <stdbool.h>

#include "llm/dialect.h"
#include "llm/route.h"

/*
 * The two tables that say what a request is: whose host, which dialect behind
 * which path. Read by route.c alone; a new provider or dialect adds lines.
 */

/* Where in a path the model's name stands. */
enum lg_model_at {
	LG_MODEL_NOWHERE,
	LG_MODEL_DEPLOYMENT, /* ".../deployments/M/..." */
	LG_MODEL_METHOD,     /* ".../M:method" */
	LG_MODEL_MIDDLE,     /* ".../model/M/verb", M may have slashes */
	LG_MODEL_MODELS,     /* ".../models/M/v1/...", likewise */
};

/* What a path means, by its end, on whatever host. */
struct lg_path_rule {
	const char *methods;		  /* "POST", "GET HEAD" */
	const char *pattern;		  /* glob over the decoded path */
	const struct lg_dialect *dialect; /* NULL: a free endpoint */
	enum lg_route_kind kind;
	enum lg_request_type type;
	enum lg_model_at model;
	bool listed; /* too short to speak for an unknown host */
	bool stream; /* the path says so */
	/*
	 * NULL, or of the hosts that are known by name only those of this
	 * family: a short path that means something else elsewhere.
	 */
	const char *family;
	const char *ref; /* of LATER: the id stands behind it: "/batches/" */
};

/* First match wins. */
extern const struct lg_path_rule lg_path_rules[];
extern const unsigned lg_npath_rules;

#endif
