#ifndef LG_TOOLS_ASK_H
#define LG_TOOLS_ASK_H

#include "opt.h"
#include "query.h"
#include "span.h"

struct lg_engine;
struct lg_world;

/*
 * What every command that reports has in common: its options for time and
 * filters, the open index, the query. The options stand first in its table.
 */
enum ask_option {
	ASK_FROM,
	ASK_TO,
	ASK_LAST,
	ASK_MODEL,
	ASK_PROJECT,
	ASK_USER,
	ASK_TAG,
	ASK_TAGS,
	ASK_PHASE,
	ASK_PROVIDER,
	ASK_ENDPOINT,
	ASK_CONVERSATION,
	ASK_KEY,
	ASK_RUN,
	ASK_RUN_ID,
	ASK_TYPE,
	ASK_VERDICT,
	ASK_EXPERIMENT,
	ASK_PROCESS,
	ASK_ROW_OPTIONS, /* what stands for itself, without an index */
	ASK_JSON = ASK_ROW_OPTIONS,
	ASK_OPTIONS
};

#define ASK_FILTER(at, option, what)                                           \
	[at] = {option, 0, OPT_COMMAS, "PATTERN", "only " what}

#define ASK_ROW_OPTS                                                           \
	[ASK_FROM] = {"from", 'f', OPT_TEXT, "DATE",                           \
		      "from this day, month, year or instant on"},             \
	[ASK_TO] = {"to", 't', OPT_TEXT, "DATE", "up to this one, inclusive"}, \
	[ASK_LAST] = {"last", 'l', OPT_TEXT, "SPAN", "12h, 7d, 4w, 3m, 1y"},   \
	ASK_FILTER(ASK_MODEL, "model",                                         \
		   "models asked for, answered or known by this (* ?)"),       \
	ASK_FILTER(ASK_PROJECT, "project", "these projects"),                  \
	ASK_FILTER(ASK_USER, "user", "these users"),                           \
	ASK_FILTER(ASK_TAG, "tag", "calls with any of these tags"),            \
	[ASK_TAGS] = {"tags", 0, OPT_SAME, "PATTERN", "the same"},             \
	[ASK_PHASE] = {"phase", 0, OPT_COMMAS, "infer|train",                  \
		       "only these phases"},                                   \
	ASK_FILTER(ASK_PROVIDER, "provider", "these providers"),               \
	ASK_FILTER(ASK_ENDPOINT, "endpoint", "these paths"),                   \
	ASK_FILTER(ASK_CONVERSATION, "conversation", "these conversations"),   \
	ASK_FILTER(ASK_KEY, "key", "these keys (12 hex digits)"),              \
	ASK_FILTER(ASK_RUN, "run", "these runs"),                              \
	[ASK_RUN_ID] = {"run-id", 0, OPT_SAME, "PATTERN", "the same"},         \
	ASK_FILTER(ASK_TYPE, "request-type", "generate, embed, image, ..."),   \
	ASK_FILTER(ASK_VERDICT, "verdict", "allow, block, fallback, ..."),     \
	ASK_FILTER(ASK_EXPERIMENT, "experiment", "these experiments"),         \
	ASK_FILTER(ASK_PROCESS, "process", "these programs")
#define ASK_OPTS ASK_ROW_OPTS, [ASK_JSON] = OPT_JSON

/* Groupings that may be asked for; the rest of q.by is for our own. */
#define ASK_BY_MAX 12

struct ask {
	struct call *c;
	struct lg_engine *e;
	struct lg_world *w; /* pinned */
	struct index *x;
	struct span_calendar cal;
	struct span span;
	struct query q;
};

/*
 * Open the engine and the index; zone, filters and --from --to --last into
 * the query (all time without). -1: go on; else the exit code. Then ask_close.
 */
int ask_open(struct ask *a, struct call *c);
void ask_close(struct ask *a);
/* The filters that were given, by dims[i]; the others are left alone. */
void ask_filters(const struct call *c, const char **filter);
/* --from --to --last; all time without. -1; else the exit code, said why. */
int ask_time(const struct call *c, const struct span_calendar *cal,
	     struct span *out);
/*
 * Rows that --top asks for, 0: all. Without it `table` in a table for people,
 * and all where a program reads them.
 */
unsigned ask_top(const struct opt_value *top, bool people, unsigned table);
/* Set the query's window. */
void ask_span(struct ask *a, const struct span *s);
/* "model,project" into q.by. -1; else the exit code, said why. */
int ask_by(struct ask *a, const char *list);
/* Another query with the same filters; nothing grouped. */
void ask_again(const struct ask *a, struct query *out);
/* How a group is called; "" none. Static buffers, four in turn. */
const char *ask_key(const struct dim *d, const struct group *g);
const char *ask_zone_name(const struct ask *a);

#endif
