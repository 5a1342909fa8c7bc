/* Totals of the tracer, what it says of loss, and its note for status. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/notice.h"
#include "bpf/tally.h"
#include "guard/control.h"
#include "tools/tracers.h"

static char text[1 << 22];

static void call(struct lg_row *r, int32_t pid, const char *model, int64_t pusd)
{
	lg_row_init(r);
	r->pid = pid;
	strcpy(r->comm, "prog");
	strcpy(r->model, model);
	r->input_tokens = 10;
	r->output_tokens = LG_ROW_ABSENT;
	r->cost_pusd = pusd;
}

static const char *said(const struct tally *t, const struct tally_loss *l,
			const struct enforce_totals *e)
{
	struct lg_buf b;

	lg_buf_init_fixed(&b, text, sizeof(text) - 1);
	tally_text(t, l, e, &b);
	text[b.len] = 0;
	return text;
}

static const char *record(const struct tally *t, const struct tally_loss *l,
			  const struct enforce_totals *e)
{
	struct json j;

	json_init(&j);
	tally_json(t, l, e, 1500, &j);
	assert_true(j.b.len < sizeof(text));
	memcpy(text, j.b.p, j.b.len);
	text[j.b.len] = 0;
	lg_buf_fini(&j.b);
	return text;
}

static void sums(void **state)
{
	struct enforce_totals e = {0};
	struct tally_loss l = {0};
	struct tally t;
	struct lg_row r;

	(void)state;
	tally_init(&t);
	assert_non_null(strstr(said(&t, &l, &e), "Total: 0 calls"));
	call(&r, 1, "a", 1000000000000);
	tally_add(&t, &r);
	tally_add(&t, &r);
	call(&r, 2, "b", 5000000000000);
	r.usage_state = LG_USAGE_ESTIMATED;
	r.status = 500;
	tally_add(&t, &r);
	r.kind = LG_ROW_ADJUST;
	tally_add(&t, &r);
	said(&t, &l, &e);
	assert_non_null(strstr(text, "Total: 3 calls, 30 tokens in, 0 out, "
				     "$7.00\n"));
	assert_non_null(strstr(text, "Coverage: exact 2 ($2.00), estimated 1 "
				     "($5.00)"));
	assert_non_null(strstr(text, "Lost: nothing\n"));
	/* the dearest first */
	assert_true(strstr(text, "$5.00") < strstr(text, "$2.00"));
	record(&t, &l, &e);
	assert_non_null(strstr(text, "\"kind\":\"summary\",\"duration_ms\":"
				     "1500,\"total\":{\"calls\":3,"));
	assert_non_null(strstr(text, "\"lower_bound\":false"));
	assert_non_null(strstr(text, "\"pid\":2,\"comm\":\"prog\",\"model\":"
				     "\"b\",\"calls\":1,"));
	tally_fini(&t);
}

static void loss(void **state)
{
	struct enforce_totals e = {.stopped = 2, .waiting = 1};
	struct tally_loss l = {.calls = 1, .bytes = 900};
	struct tally t;

	(void)state;
	tally_init(&t);
	l.why[PROBE_LOSS_RING] =
		(struct probe_lost){.records = 3, .bytes = 900, .requests = 1};
	said(&t, &l, &e);
	assert_non_null(strstr(text, "Total: at least 0 calls"));
	assert_non_null(strstr(text, "Lost: 1 call, 900 bytes: every total "
				     "here is a lower bound\n  3 records, 900 "
				     "bytes: no room in the ring"));
	assert_non_null(strstr(text, "Hard limits: 2 stopped, 1 still "
				     "stopped\n"));
	record(&t, &l, &e);
	assert_non_null(strstr(text, "\"lower_bound\":true"));
	assert_non_null(strstr(text, "\"ring\":{\"records\":3,\"bytes\":900,"
				     "\"requests\":1}"));
	/* any of them alone is a loss */
	for (unsigned i = 0; i < PROBE_LOSSES; i++) {
		memset(&l, 0, sizeof(l));
		assert_false(tally_has_loss(&l));
		l.why[i].records = 1;
		assert_true(tally_has_loss(&l));
		assert_true(*tally_loss_name(i) && *tally_loss_text(i));
	}
	tally_fini(&t);
}

/* Many short programs: one line for what is beyond the limit. */
static void many(void **state)
{
	struct enforce_totals e = {0};
	struct tally_loss l = {0};
	struct tally t;
	struct lg_row r;
	int i;

	(void)state;
	tally_init(&t);
	for (i = 1; i <= TALLY_GROUPS_MAX + 500; i++) {
		call(&r, i, "a", 1);
		tally_add(&t, &r);
	}
	assert_int_equal(t.groups.n, TALLY_GROUPS_MAX + 1);
	assert_int_equal(t.all.calls, TALLY_GROUPS_MAX + 500);
	assert_non_null(strstr(said(&t, &l, &e), "*other*"));
	assert_non_null(strstr(text, " more: --json has them all)"));
	assert_non_null(strstr(record(&t, &l, &e), "\"comm\":\"*other*\","
						   "\"model\":\"\",\"calls\":"
						   "500,"));
	tally_fini(&t);
}

/* -- the note ---------------------------------------------------------- */

static void note_text(const struct tracer_note *n, char *out, size_t cap)
{
	struct json j;

	json_init(&j);
	tracer_note_format(n, &j);
	assert_true(j.b.len < cap);
	memcpy(out, j.b.p, j.b.len);
	out[j.b.len] = 0;
	lg_buf_fini(&j.b);
}

static void notes(void **state)
{
	struct tracer_note n = {.pid = 7,
				.start = 9,
				.since_ms = 1,
				.at_ms = 2,
				.observe = true,
				.programs = 3,
				.calls = 4,
				.cost_pusd = 5,
				.lost_calls = 6,
				.lost_bytes = 7},
			   back;
	static const char *const bad[] = {
		"",
		"x",
		"[]",
		"null",
		"{}",
		"{\"pid\":0}",
		"{\"pid\":\"7\"}",
		"{\"pid\":7",
		"{\"pid\":99999999999999999999}",
	};
	char buf[4096];
	size_t i, len;

	(void)state;
	strcpy(n.on_hard, "stop");
	note_text(&n, buf, sizeof(buf));
	assert_true(tracer_note_parse(buf, &back));
	assert_memory_equal(&n, &back, sizeof(n));
	len = strlen(buf);
	for (i = 0; i < len - 2; i++) {
		buf[i] = 0;
		assert_false(tracer_note_parse(buf, &back));
		note_text(&n, buf, sizeof(buf));
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(tracer_note_parse(bad[i], &back));
	assert_true(tracer_note_parse("{\"pid\":7,\"calls\":-5,\"on_hard\":"
				      "\"a very long word\",\"ended\":1}",
				      &back));
	assert_int_equal(back.calls, 0);
	assert_int_equal(strlen(back.on_hard), sizeof(back.on_hard) - 1);
}

static void put(const char *dir, const char *name, const char *content)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(content, f);
	fclose(f);
}

/* Dead ones show while none lives, and go when a new one comes. */
static void folder(void **state)
{
	char dir[] = "/tmp/llmguard-notes-XXXXXX", path[300], buf[4096];
	struct tracer_note n = {.pid = 1, .start = 1, .at_ms = 5, .calls = 2};
	static struct notices all;
	struct notice *mine;
	struct tracers t;

	(void)state;
	assert_non_null(mkdtemp(dir));
	tracers_read(dir, &t);
	assert_int_equal(t.n, 0);
	note_text(&n, buf, sizeof(buf));
	put(dir, "tracer-1.json", buf);
	put(dir, "tracer-2.json", "rubbish");
	put(dir, "tracer-3.json~", "{");
	tracers_read(dir, &t);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.live, 0);
	assert_int_equal(t.note[0].calls, 2);

	mine = notice_of(&all, getuid(), dir);
	assert_non_null(mine);
	assert_ptr_equal(notice_of(&all, getuid(), dir), mine);
	mine->calls = 3;
	memset(&n, 0, sizeof(n));
	n.pid = getpid();
	n.start = lg_control_start(n.pid);
	notices_write(&all, &n);
	tracers_read(dir, &t);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.live, 1);
	assert_int_equal(t.note[0].calls, 3);
	n.ended = true;
	notices_write(&all, &n);
	tracers_read(dir, &t);
	assert_int_equal(t.live, 0);
	assert_int_equal(t.n, 1);

	snprintf(path, sizeof(path), "%s/tracer-%d.json", dir, getpid());
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums),	  cmocka_unit_test(loss),
		cmocka_unit_test(many),	  cmocka_unit_test(notes),
		cmocka_unit_test(folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
