#include "bpf/trace.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "bpf/able.h"
#include "bpf/hosts.h"
#include "bpf/notice.h"
#include "bpf/options.h"
#include "bpf/output.h"
#include "bpf/print.h"
#include "bpf/tally.h"
#include "bpf/tell.h"
#include "guard/control.h"
#include "guard/engine.h"
#include "tools/tool.h"

#define POLL_MS 100
#define ENFORCE_MS 200
#define TICK_MS 1000
#define SCAN_MS 5000
#define LAST_MS 2000 /* for a reader, at the end */
#define TEXT 8192

struct trace {
	const struct options *o;
	struct loader *loader;
	struct meter *meter;
	struct enforce *enforce; /* NULL: observes only */
	struct targets *targets;
	struct print print;
	struct tally tally;
	struct notices notices;
	struct tally_loss loss, told;
	struct output out;
	int64_t began_ms, began_real_ms;
	int64_t enforced_ms, ticked_ms, scanned_ms;
	struct strmap files, engines, staged; /* that were told of */
	uint32_t probes;
	const char *hard; /* its rung's name */
	bool closing;
};

static volatile sig_atomic_t stopped;

void trace_stop(void)
{
	stopped = 1;
}

static int64_t now_ms(void)
{
	return lg_clock_boot_ns() / 1000000;
}

/* -- what the parts say to each other -------------------------------------
 */

/* Its user's state folder has a note of us. */
static struct notice *note_for(struct trace *t, uint32_t uid, uint32_t tgid)
{
	const char *dir = tgid ? meter_state_dir(t->meter, tgid, &uid) : NULL;
	struct lg_engine *e;

	if (!dir && !t->closing) {
		e = meter_engine_of(t->meter, uid);
		dir = e ? lg_engine_state_dir(e) : NULL;
	}
	return dir ? notice_of(&t->notices, uid, dir) : NULL;
}

static void on_call(void *arg, const struct lg_row *row, bool settled)
{
	struct trace *t = arg;
	struct lg_engine *e;
	struct notice *n;

	if (t->enforce)
		enforce_call(t->enforce, row, settled);
	if (!settled)
		return;
	tally_add(&t->tally, row);
	e = meter_engine(t->meter, (uint32_t)row->pid);
	tell_staged(&t->staged, e);
	tell_trouble(&t->engines, e);
	n = note_for(t, row->uid, (uint32_t)row->pid);
	if (n) {
		n->calls++;
		n->cost_pusd = lg_money_add(n->cost_pusd, row->cost_pusd);
	}
	if ((t->o->json || t->o->print) && output_has_room(&t->out))
		print_call(&t->print, row, &t->out.lines);
}

static void on_conn(void *arg, const struct probe_conn_key *key,
		    enum probe_conn_state state)
{
	struct trace *t = arg;

	loader_conn_state(t->loader, key, state);
	if (t->enforce && state == PROBE_CONN_LLM)
		enforce_conn(t->enforce, key, -1);
}

static void on_end(void *arg, const struct probe_conn_key *key,
		   const struct probe_conn *conn)
{
	struct trace *t = arg;

	if (!t->targets || targets_meter(t->targets, key->tgid))
		meter_conn(t->meter, key, conn);
}

static int take_conn(void *arg, const struct probe_conn_key *key,
		     struct probe_conn *out)
{
	return loader_conn_take(((struct trace *)arg)->loader, key, out);
}

static void ring_at(void *arg, uint64_t *written, uint64_t *taken)
{
	loader_ring_at(((struct trace *)arg)->loader, written, taken);
}

static void tell_settings(struct trace *t, uint32_t tgid)
{
	struct lg_engine *e = meter_engine(t->meter, tgid);

	tell_no_region(&t->engines, e);
	tell_trouble(&t->engines, e);
	tell_variables(&t->engines, meter_env(t->meter, tgid));
}

static void on_target(void *arg, uint32_t tgid, bool on, const char *reason)
{
	struct trace *t = arg;
	const char *dir;
	uint32_t uid = 0;

	if (t->o->verbose || (t->o->pids_only && !t->closing))
		tell_target(tgid, on, reason);
	/* who it is must be read while it lives */
	if (on && !t->closing)
		tell_settings(t, tgid);
	if (t->enforce && !t->closing && (on || !reason || !*reason))
		enforce_target(t->enforce, tgid, on);
	dir = on ? meter_state_dir(t->meter, tgid, &uid) : NULL;
	if (dir)
		notice_of(&t->notices, uid, dir);
}

static void on_object(void *arg, const char *path, const char *what,
		      unsigned nprobes)
{
	struct trace *t = arg;
	char key[1200];

	t->probes += nprobes;
	/* each process that is named has its own; once is enough to read */
	snprintf(key, sizeof(key), "%s\x1f%s", path, what);
	if (strmap_get(&t->files, key))
		return;
	strmap_put(&t->files, key);
	tell_object(path, what, nprobes);
}

static uint64_t lost_requests(const struct tally_loss *l)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < PROBE_LOSSES; i++)
		n += l->why[i].requests;
	return n;
}

static void on_event(void *arg, const struct probe_event *ev,
		     const void *payload)
{
	struct trace *t = arg;

	if (t->enforce)
		enforce_before(t->enforce, ev);
	switch (ev->kind) {
	case PROBE_EV_EXEC:
	case PROBE_EV_EXIT:
		meter_feed(t->meter, ev, payload);
		/* fall through */
	case PROBE_EV_FORK:
	case PROBE_EV_LOADED:
		if (t->targets)
			targets_event(t->targets, ev, payload);
		if (t->targets && ev->kind == PROBE_EV_FORK &&
		    targets_refused(t->targets, ev->tgid))
			return;
		break;
	default:
		if (t->targets && !targets_meter(t->targets, ev->tgid))
			return;
		meter_feed(t->meter, ev, payload);
	}
	if (t->enforce)
		enforce_event(t->enforce, ev);
}

/* -- open -----------------------------------------------------------------
 */

static int load(struct trace *t)
{
	const struct options *o = t->o;
	struct loader_options lo = {
		.ring_bytes = o->ring_bytes,
		.call_max = o->call_max,
		.follow = !o->target.no_children,
		.verbose = o->verbose,
		.on_end = on_end,
		.arg = t,
	};
	char said[TEXT] = "", why[TEXT + 256];
	int err = loader_open(&lo, &t->loader, said, sizeof(said));

	if (!err)
		return -1;
	able_explain(err, said, why, sizeof(why));
	return tool_fail("%s", why);
}

static int measure(struct trace *t)
{
	const struct options *o = t->o;
	struct meter_options mo = {
		.config = o->config,
		.state_dir = o->state_dir,
		.region = o->region,
		.ignore_budget = o->observe,
		.on_call = on_call,
		.on_conn = on_conn,
		.take = take_conn,
		.ring_at = ring_at,
		.arg = t,
	};
	struct lg_engine *e = NULL;

	if (meter_new(&mo, &t->meter))
		return tool_fail("out of memory");
	/* other users' settings are known when their programs are */
	if (o->config)
		e = meter_engine_of(t->meter, geteuid());
	if (e && *lg_engine_trouble(e))
		return tool_fail("%s", lg_engine_trouble(e));
	hosts_add(t->loader, e);
	return -1;
}

/* A rung that was asked for by name and does not work is no limit at all. */
static int arm(struct trace *t)
{
	const struct enforce_rung_state *rungs;
	struct enforce_options eo = {
		.hard = t->o->hard,
		.meter = t->meter,
		.cgroup = t->o->target.cgroup,
	};
	char works[128];
	int err;

	if (t->o->observe)
		return -1;
	err = enforce_new(t->loader, &eo, &t->enforce);
	if (err)
		return tool_fail("enforcement: %s", strerror(-err));
	rungs = enforce_rungs(t->enforce);
	t->hard = rungs[enforce_in_force(t->enforce)].name;
	if (rungs[t->o->hard].works || !t->o->hard_asked)
		return -1;
	tell_rung_names(rungs, works, sizeof(works));
	return tool_fail("--on-hard %s does not work here: %s. These do: %s; "
			 "--observe does without",
			 rungs[t->o->hard].name, rungs[t->o->hard].why_not,
			 works);
}

int trace_open(const struct options *o, struct trace **out)
{
	struct trace *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return tool_fail("out of memory");
	*out = t;
	t->o = o;
	t->hard = "";
	t->began_ms = t->enforced_ms = t->ticked_ms = t->scanned_ms = now_ms();
	t->began_real_ms = lg_clock_real_ms();
	output_init(&t->out);
	print_init(&t->print, o->json);
	tally_init(&t->tally);
	strmap_init(&t->files, 1);
	strmap_init(&t->engines, 1);
	strmap_init(&t->staged, 1);
	ret = load(t);
	if (ret < 0)
		ret = measure(t);
	return ret < 0 ? arm(t) : ret;
}

/* -- attach ---------------------------------------------------------------
 */

static void tell_ready(struct trace *t)
{
	unsigned n = targets_count(t->targets);

	tell_cost(t->loader);
	if (t->enforce)
		tell_rungs(enforce_rungs(t->enforce), t->o->verbose);
	tool_warn("%u program%s, %u file%s, %u probes, ring %u MB; a hard "
		  "budget that is exhausted: %s: ready",
		  n, n == 1 ? "" : "s", (unsigned)t->files.n,
		  t->files.n == 1 ? "" : "s", t->probes, t->o->ring_bytes >> 20,
		  t->enforce ? t->hard : "observed only");
}

static int put_probes(struct trace *t)
{
	struct target_options to = t->o->target;
	int err;

	to.on_target = on_target;
	to.on_object = on_object;
	to.arg = t;
	err = targets_new(t->loader, &to, &t->targets);
	if (err == -EINVAL && to.offsets)
		return EXIT_FAILED; /* it has said what is wrong with the file
				     */
	if (err)
		return tool_fail("cannot look for programs: %s",
				 strerror(-err));
	err = targets_scan(t->targets);
	if (err < 0)
		return tool_fail("/proc: %s", strerror(-err));
	if (t->o->pids_only && to.npids && !targets_count(t->targets))
		return tool_fail("none of the processes can be traced");
	return -1;
}

static struct tracer_note common_note(struct trace *t)
{
	struct tracer_note n;

	memset(&n, 0, sizeof(n));
	n.pid = getpid();
	n.start = lg_control_start(n.pid);
	n.since_ms = t->began_real_ms;
	n.ended = t->closing;
	n.observe = t->o->observe;
	snprintf(n.on_hard, sizeof(n.on_hard), "%s", t->hard);
	n.programs = t->targets ? targets_count(t->targets) : 0;
	n.lost_calls = t->loss.calls;
	n.lost_bytes = t->loss.bytes;
	return n;
}

static void write_notes(struct trace *t)
{
	struct tracer_note n = common_note(t);

	notices_write(&t->notices, &n);
}

int trace_attach(struct trace *t)
{
	int ret = put_probes(t);

	if (ret >= 0)
		return ret;
	/* one state folder for all: it shows the tracer before any call */
	if (t->o->state_dir)
		note_for(t, geteuid(), 0);
	write_notes(t);
	tell_ready(t);
	return -1;
}

/* -- run ------------------------------------------------------------------
 */

static void count_loss(struct trace *t)
{
	uint64_t requests, bytes = 0;
	struct meter_totals m;

	meter_totals(t->meter, &m);
	loader_losses(t->loader, t->loss.why);
	t->loss.calls = m.lost_calls;
	t->loss.bytes = m.lost_bytes;
	requests = lost_requests(&t->loss);
	for (unsigned i = 0; i < PROBE_LOSSES; i++)
		bytes += t->loss.why[i].bytes;
	/* what the meter cannot know before the end; of some it saw the answer
	   alone, and made a call of that */
	if (!t->closing && t->loss.calls < requests)
		t->loss.calls = requests;
	if (t->loss.bytes < bytes)
		t->loss.bytes = bytes;
}

static void tick(struct trace *t, int64_t now)
{
	if (t->enforce && now - t->enforced_ms >= ENFORCE_MS) {
		t->enforced_ms = now;
		enforce_tick(t->enforce, lg_clock_real_ms());
	}
	if (now - t->scanned_ms >= SCAN_MS) {
		t->scanned_ms = now;
		targets_scan(t->targets);
	}
	if (now - t->ticked_ms < TICK_MS)
		return;
	t->ticked_ms = now;
	if (targets_canary(t->targets))
		tool_warn("probes were gone, and are put again");
	meter_tick(t->meter, lg_clock_real_ms());
	print_resize(&t->print);
	count_loss(t);
	tell_loss(&t->loss, &t->told);
	write_notes(t);
}

static bool is_over(struct trace *t, int64_t now)
{
	uint64_t limit = t->o->duration_s;

	if (stopped || t->out.err)
		return true;
	if (limit && now - t->began_ms >= (int64_t)limit * 1000)
		return true;
	if (t->o->pids_only && !targets_count(t->targets)) {
		tool_warn("the programs have ended");
		return true;
	}
	return false;
}

int trace_run(struct trace *t)
{
	int64_t now = now_ms();
	int n;

	while (!is_over(t, now)) {
		n = loader_poll(t->loader, POLL_MS, on_event, t);
		if (n < 0 && n != -EINTR)
			return tool_fail("the ring buffer: %s", strerror(-n));
		now = now_ms();
		tick(t, now);
		output_flush(&t->out, 0);
	}
	return -1;
}

/* -- close ----------------------------------------------------------------
 */

/* Up to where it is written now. */
static void drain(struct trace *t)
{
	uint64_t up_to, taken, written;
	int n;

	loader_ring_at(t->loader, &up_to, &taken);
	while (taken < up_to) {
		n = loader_poll(t->loader, 1, on_event, t);
		if (n < 0 && n != -EINTR)
			return;
		output_flush(&t->out, 0);
		loader_ring_at(t->loader, &written, &taken);
	}
}

/* No probe fires any more: what the ring has, then what never got there. */
static void finish(struct trace *t)
{
	drain(t);
	t->closing = true;
	targets_del(t->targets);
	t->targets = NULL;
	loader_detached(t->loader);
	drain(t);
	meter_closes(t->meter);
	loader_conns_end(t->loader);
}

static void tell_unread(struct trace *t)
{
	if (t->out.dropped)
		tool_warn("%llu lines were not printed: nobody read them",
			  (unsigned long long)t->out.dropped);
}

static void summary(struct trace *t, const struct enforce_totals *done)
{
	int64_t ms = now_ms() - t->began_ms;
	struct json j;

	if (!t->o->summary)
		return;
	if (t->o->json) {
		json_init(&j);
		tally_json(&t->tally, &t->loss, done, ms, &j);
		lg_buf_put(&t->out.lines, j.b.p, j.b.len);
		lg_buf_fini(&j.b);
	} else {
		lg_buf_puts(&t->out.lines, t->print.headed ? "\n" : "");
		tally_text(&t->tally, &t->loss, done, &t->out.lines);
	}
}

static bool has_interfered(const struct enforce_totals *e)
{
	return e->stopped || e->denied || e->reset || e->killed;
}

/* The probes go first; what they sent is taken, then settled, then told. */
static void detach(struct trace *t, struct enforce_totals *done)
{
	if (t->targets)
		finish(t);
	t->closing = true;
	if (t->enforce) {
		enforce_totals(t->enforce, done);
		enforce_del(t->enforce);
	}
	t->enforce = NULL;
	if (t->meter) {
		meter_end(t->meter);
		count_loss(t);
	}
	meter_del(t->meter);
	t->meter = NULL;
}

int trace_close(struct trace *t, int ret)
{
	struct enforce_totals done = {0};

	if (!t)
		return ret < 0 ? EXIT_OK : ret;
	detach(t, &done);
	if (ret < 0) {
		tell_loss(&t->loss, &t->told);
		summary(t, &done);
		tell_unread(t);
		output_flush(&t->out, LAST_MS);
		ret = has_interfered(&done) ? EXIT_OVER : EXIT_OK;
		write_notes(t);
	}
	loader_close(t->loader);
	if (t->out.err && t->out.err != EPIPE)
		ret = tool_fail("writing: %s", strerror(t->out.err));
	tally_fini(&t->tally);
	strmap_fini(&t->files);
	strmap_fini(&t->engines);
	strmap_fini(&t->staged);
	output_fini(&t->out);
	free(t);
	return ret;
}
