#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/money.h"
#include "budget/hold.h"
#include "budget/region.h"
#include "guard/engine.h"
#include "guard/world.h"
#include "ledger/ledger.h"
#include "tools/client/client.h"
#include "tools/tool.h"

/* -- words ----------------------------------------------------------------- */

int client_fail(llmguard *g, int code, const char *fmt, ...)
{
	va_list ap;

	if (!g)
		return code;
	va_start(ap, fmt);
	vsnprintf(g->message, sizeof(g->message), fmt, ap);
	va_end(ap);
	return code;
}

int client_errno(llmguard *g, int err, const char *what)
{
	char text[128];

	if (err == -ENOMEM)
		return client_fail(g, LLMGUARD_EMEMORY, "not enough memory");
	return client_fail(g, LLMGUARD_EIO, "%s: %s", what,
			   strerror_r(-err, text, sizeof(text)));
}

int client_may_write(llmguard *g)
{
	if (!g)
		return LLMGUARD_EARGUMENT;
	if (!g->writable)
		return client_fail(g, LLMGUARD_EREADONLY,
				   "the handle was not opened with "
				   "LLMGUARD_WRITE");
	return LLMGUARD_OK;
}

const char *llmguard_message(const llmguard *g)
{
	return g ? g->message : "";
}

const char *llmguard_strerror(int code)
{
	static const char *const text[] = {
		"no error",
		"not enough memory",
		"the state folder cannot be used",
		"no shared region can be had",
		"the handle was not opened for writing",
		"an argument says nothing that could be meant",
		"not found",
		"the configuration refuses it",
		"files cannot be read or written",
	};

	if (code == LLMGUARD_OVER)
		return "it does not fit the budget";
	if (code > 0 || -code >= (int)(sizeof(text) / sizeof(text[0])))
		return "unknown";
	return text[-code];
}

const char *llmguard_version(void)
{
	return tool_version;
}

/* -- structures of other sizes --------------------------------------------- */

void client_give(void *out, size_t size, const void *ours, size_t our_size)
{
	if (!out)
		return;
	memset(out, 0, size);
	memcpy(out, ours, size < our_size ? size : our_size);
}

bool client_take(void *ours, size_t our_size, const void *in)
{
	size_t size;

	if (!in)
		return false;
	memcpy(&size, in, sizeof(size));
	if (size < sizeof(size) || size > 65536)
		return false;
	memset(ours, 0, our_size);
	memcpy(ours, in, size < our_size ? size : our_size);
	return true;
}

/* -- open and close -------------------------------------------------------- */

/* Each variable as the options have it, else the environment; copied. */
struct source {
	const struct llmguard_options *o;
	char *at, *end;
};

static const char *wanted(const struct llmguard_options *o, const char *name)
{
	const struct {
		const char *name, *text;
	} set[] = {
		{"CONFIG", o->config},
		{"STATE_DIR", o->state_dir},
		{"REGION", o->region},
		{"PROJECT", o->project},
		{"USER", o->user},
		{"TAGS", o->tags},
		{"RUN_ID", o->run_id},
		{"CONVERSATION", o->conversation},
		{"EXPERIMENT", o->experiment},
		{"PHASE", o->phase},
	};

	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
		if (!strcmp(name, set[i].name) && set[i].text)
			return set[i].text;
	return NULL;
}

static const char *get(void *arg, const char *name)
{
	struct source *s = arg;
	const char *tail = strchr(name, '_'), *text;
	size_t n;

	text = tail ? wanted(s->o, tail + 1) : NULL;
	if (!text)
		text = getenv(name);
	if (!text)
		return NULL;
	n = strlen(text) + 1;
	if (n > (size_t)(s->end - s->at))
		return NULL;
	text = memcpy(s->at, text, n);
	s->at += n;
	return text;
}

#define STRINGS ((size_t)64 << 10)

static int open_engine(llmguard *g, const struct llmguard_options *o)
{
	struct source s = {o, NULL, NULL};
	int err;

	g->strings = malloc(STRINGS);
	if (!g->strings)
		return LLMGUARD_EMEMORY;
	s.at = g->strings;
	s.end = g->strings + STRINGS;
	lg_env_read_from(&g->env, get, &s);
	g->env.readonly = !g->writable;
	err = lg_engine_open(&g->env, &g->e);
	g->owned = !err;
	if (!err && g->writable &&
	    access(lg_engine_ledger(g->e)->dir, W_OK | X_OK))
		err = -errno;
	return !err		? LLMGUARD_OK
	       : err == -ENOMEM ? LLMGUARD_EMEMORY
				: LLMGUARD_ESTATE;
}

int llmguard_open(const struct llmguard_options *options, llmguard **out)
{
	struct llmguard_options o = {.size = sizeof(o)};
	llmguard *g;
	int ret;

	if (!out)
		return LLMGUARD_EARGUMENT;
	*out = NULL;
	if (options && !client_take(&o, sizeof(o), options))
		return LLMGUARD_EARGUMENT;
	if (o.flags & ~LLMGUARD_WRITE)
		return LLMGUARD_EARGUMENT;
	g = calloc(1, sizeof(*g));
	if (!g)
		return LLMGUARD_EMEMORY;
	g->writable = o.flags & LLMGUARD_WRITE;
	ret = open_engine(g, &o);
	if (!ret && g->writable)
		ret = llmguard_refresh(g);
	if (ret)
		llmguard_close(g);
	else
		*out = g;
	return ret;
}

int client_wrap(struct lg_engine *e, llmguard **out)
{
	llmguard *g = calloc(1, sizeof(*g));

	*out = g;
	if (!g)
		return LLMGUARD_EMEMORY;
	g->e = e;
	g->env = *lg_engine_env(e);
	g->writable = true;
	return LLMGUARD_OK;
}

void llmguard_close(llmguard *g)
{
	if (!g)
		return;
	if (g->spending)
		spend_fini(&g->spend);
	if (g->owned)
		lg_engine_close(g->e);
	free(g->strings);
	free(g);
}

/* -- state ----------------------------------------------------------------- */

int llmguard_refresh(llmguard *g)
{
	if (!g)
		return LLMGUARD_EARGUMENT;
	lg_engine_refresh(g->e);
	if (!g->writable || !lg_engine_region(g->e) ||
	    lg_engine_is_readonly(g->e))
		return LLMGUARD_OK;
	lg_engine_sweep(g->e);
	lg_engine_touch(g->e);
	return LLMGUARD_OK;
}

static bool is_halted(const struct lg_hold_view *h, const char *draft)
{
	const struct lg_row *row = (const void *)draft;

	return h->alive && !h->foreign &&
	       lg_row_is_sound(draft, h->draft_len) &&
	       row->verdict == LG_VERDICT_STOP;
}

static void count_slots(struct lg_region *r, struct llmguard_info *i)
{
	_Alignas(16) char draft[LG_DRAFT_MAX];
	struct lg_hold_view h;

	for (unsigned k = 0; k < lg_hold_slots(r); k++) {
		if (lg_hold_view(r, k, &h, draft) || is_halted(&h, draft))
			continue;
		if (h.staged)
			i->staged_rows++;
		else if (h.alive || h.foreign)
			i->holds++;
		else
			i->dead_holds++;
	}
}

int llmguard_info(llmguard *g, struct llmguard_info *out, size_t size)
{
	struct llmguard_info i = {.region = NULL};
	struct lg_region *r;
	struct lg_world *w;

	if (!g)
		return LLMGUARD_EARGUMENT;
	w = lg_engine_pin(g->e);
	r = w->region ? w->region->r : NULL;
	i.state_dir = lg_engine_state_dir(g->e);
	i.config = lg_engine_config_path(g->e);
	i.trouble = lg_engine_trouble(g->e);
	if (w->set.fail == LG_FAIL_CLOSED)
		i.flags |= LLMGUARD_INFO_CLOSED;
	if (!lg_world_region(w))
		i.flags |= LLMGUARD_INFO_READONLY;
	if (r) {
		i.region = lg_engine_region_path(g->e);
		lg_region_uuid(r, i.region_uuid);
		i.generation = lg_region_generation(r);
		i.lost_rows = lg_region_counter(r, LG_COUNT_LOST);
		if (lg_region_is_disabled(r))
			i.flags |= LLMGUARD_INFO_DISABLED;
		count_slots(r, &i);
	}
	lg_engine_unpin(g->e, w);
	client_give(out, size, &i, sizeof(i));
	return LLMGUARD_OK;
}

/* -- amounts --------------------------------------------------------------- */

size_t llmguard_usd_print(int64_t pusd, char buf[24])
{
	return lg_money_print(pusd, buf);
}

int llmguard_usd_parse(const char *text, int64_t *pusd)
{
	if (!text || !pusd || lg_money_parse(lg_slice_str(text), pusd))
		return LLMGUARD_EARGUMENT;
	return LLMGUARD_OK;
}
