#include <errno.h>
#include <stdlib.h>

#include "bpf/engines.h"
#include "bpf/meter_state.h"
#include "guard/attribution.h"
#include "guard/engine.h"
#include "guard/flow.h"
#include "guard/head.h"

static struct proc *known_proc(struct meter *m, uint32_t tgid)
{
	struct proc *p = meter_find_proc(m, tgid);
	uint32_t uid = p ? 0 : person_uid(tgid);

	return p || uid == (uint32_t)-1 ? p : meter_get_proc(m, tgid, uid);
}

struct lg_engine *meter_engine(struct meter *m, uint32_t tgid)
{
	struct proc *p = known_proc(m, tgid);

	return p && !p->let_alone ? p->one->engine : NULL;
}

const struct lg_env *meter_env(struct meter *m, uint32_t tgid)
{
	struct proc *p = meter_find_proc(m, tgid);

	return p ? &p->person.env : NULL;
}

void meter_keep(struct meter *m, const struct lg_engine *e)
{
	struct engines_one *one = engines_find(&m->engines, e);

	if (one)
		one->refs++;
}

void meter_let_go(struct meter *m, const struct lg_engine *e)
{
	engines_drop(engines_find(&m->engines, e));
}

struct lg_engine *meter_engine_of(struct meter *m, uint32_t uid)
{
	struct person *p = malloc(sizeof(*p));
	struct engines_one *one;

	if (!p)
		return NULL;
	person_of_uid(p, uid);
	one = engines_get(&m->engines, p);
	engines_drop(one);
	free(p);
	return one ? one->engine : NULL;
}

bool meter_enter(struct meter *m, uint32_t tgid)
{
	struct proc *p = known_proc(m, tgid);

	return p && p->one && !become(&p->one->user);
}

void meter_leave(struct meter *m)
{
	(void)m;
	become(NULL);
}

const char *meter_state_dir(struct meter *m, uint32_t tgid, uint32_t *uid)
{
	struct proc *p = meter_find_proc(m, tgid);

	if (p)
		*uid = p->person.uid;
	return p && p->one ? lg_engine_state_dir(p->one->engine) : NULL;
}

int meter_identity(struct meter *m, uint32_t tgid, struct lg_row *out,
		   bool *by_login)
{
	const struct lg_slice none = {"", 0};
	struct proc *p = known_proc(m, tgid);
	struct lg_head head;

	if (!p || !p->person.start)
		return -ESRCH;
	lg_head_read(none, &head);
	lg_row_init(out);
	lg_attribution_head(&p->person.env, &p->person.self, &head, none, NULL,
			    out);
	*by_login = !out->user[0];
	if (*by_login)
		lg_slice_copy(lg_slice_str(p->person.self.login), out->user,
			      sizeof(out->user));
	out->pid = (int32_t)tgid;
	out->ppid = p->person.ppid;
	if (lg_env_ignores(&p->person.env))
		out->flags |= LG_ROW_IGNORED_BUDGET;
	return 0;
}

bool meter_head(struct meter *m, const struct probe_conn_key *key,
		struct lg_row *out)
{
	struct conn *c = meter_find_conn(m, key->tgid, key->ssl);
	const struct lg_row *row = c && c->flow ? lg_flow_head(c->flow) : NULL;

	if (row)
		*out = *row;
	return row;
}

void meter_mark(struct meter *m, const struct probe_conn_key *key,
		enum lg_verdict v, const char *reason, bool unsent)
{
	struct conn *c = meter_find_conn(m, key->tgid, key->ssl);

	if (!c || !c->flow)
		return;
	if (unsent)
		lg_flow_unsent(c->flow, v != LG_VERDICT_ALLOW);
	if (!unsent || v != LG_VERDICT_ALLOW)
		lg_flow_mark(c->flow, v, reason, unsent);
}
