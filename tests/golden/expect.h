#ifndef TESTS_GOLDEN_EXPECT_H
#define TESTS_GOLDEN_EXPECT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ledger/row.h"
#include "tests/golden/fixtures.h"
#include "tests/unit/flow_rig.h"

/* What expected.json of a recorded exchange says of its row. */
static unsigned ran, failed;
static const char *name;

static void complain(const char *what, long long got, long long want)
{
	fprintf(stderr, "%s: %s is %lld, want %lld\n", name, what, got, want);
	failed++;
}

static void check_n(json_t *want, const char *key, uint64_t got)
{
	json_t *v = json_object_get(want, key);

	if (json_is_integer(v) && (uint64_t)json_integer_value(v) != got)
		complain(key, (long long)got, json_integer_value(v));
}

/* Absent reads as 0 where the recording says 0. */
static uint64_t or_zero(uint64_t n)
{
	return n == LG_ROW_ABSENT ? 0 : n;
}

static void check_text(json_t *want, const char *key, const char *got)
{
	const char *text = json_string_value(json_object_get(want, key));

	if (text && got && strcmp(text, got)) {
		fprintf(stderr, "%s: %s is %s, want %s\n", name, key, got,
			text);
		failed++;
	}
}

/* Asking what a prompt counts is free and has no dialect of its own. */
static bool is_free(const char *api)
{
	return strstr(api, "count-tokens") != NULL;
}

/* The provider's own figure wins; a key's owner pays somebody else. */
static void check_cost(json_t *want, const struct lg_row *row)
{
	json_t *v = json_object_get(want, "provider_reported_cost_usd");
	json_t *byok =
		json_object_get(json_object_get(want, "extra"), "is_byok");
	char got[40], told[40];

	if (!json_is_number(v) || json_is_true(byok))
		return;
	snprintf(told, sizeof(told), "%.12f", json_number_value(v));
	snprintf(got, sizeof(got), "%.12f", (double)row->cost_pusd / 1e12);
	if (strcmp(got, told) || row->provider_cost_pusd != row->cost_pusd) {
		fprintf(stderr, "%s: cost is %s, want %s\n", name, got, told);
		failed++;
	}
}

static void check_row(json_t *want, const struct lg_row *row)
{
	bool usage = json_is_true(json_object_get(want, "usage_present"));
	bool cut = !json_is_null(json_object_get(want, "error"));
	const char *api = json_string_value(json_object_get(want, "api"));
	bool is_asking = is_free(api), local = !strncmp(api, "ollama", 6);
	bool billable = json_is_true(json_object_get(want, "billable"));

	if (!is_asking)
		check_text(want, "model_requested", row->model_requested);
	check_text(want, "model_returned", row->model);
	if (!is_asking)
		check_text(want, "api", row->dialect);
	check_n(want, "http_status", (uint64_t)row->status);
	/* what was delivered is counted where the last word never came */
	if (usage && !(cut && row->usage_state == LG_USAGE_ESTIMATED)) {
		check_n(want, "input_tokens", row->input_tokens);
		check_n(want, "output_tokens", row->output_tokens);
		check_n(want, "cached_input_tokens",
			or_zero(row->cache_read_tokens));
		check_n(want, "cache_write_tokens",
			or_zero(row->cache_write_5m_tokens) +
				or_zero(row->cache_write_1h_tokens));
		check_cost(want, row);
		check_n(want, "reasoning_tokens",
			or_zero(row->reasoning_tokens));
		if (row->usage_state != LG_USAGE_EXACT && !cut)
			complain("usage_state", row->usage_state,
				 LG_USAGE_EXACT);
	}
	if (row->input_cost_pusd + row->output_cost_pusd != row->cost_pusd)
		complain("sum of costs",
			 row->input_cost_pusd + row->output_cost_pusd,
			 row->cost_pusd);
	if (!billable && !usage && row->status >= 400 && row->cost_pusd)
		complain("cost of a failure", row->cost_pusd, 0);
	if (billable && usage && !local &&
	    row->price_state != LG_PRICED_UNKNOWN && !row->cost_pusd &&
	    row->input_tokens)
		complain("cost of a call", 0, 1);
}

static void host_of(json_t *want, char *host, size_t cap)
{
	const char *url = json_string_value(json_object_get(want, "endpoint"));
	const char *p = url ? strstr(url, "//") : NULL;

	snprintf(host, cap, "%.*s", p ? (int)strcspn(p + 2, "/:") : 0,
		 p ? p + 2 : "");
}

/* On other hosts only a whole head in one write is a request. */
static bool is_listed(struct rig *r, json_t *want)
{
	char host[256];

	host_of(want, host, sizeof(host));
	return lg_engine_guards(r->e, lg_slice_str(host));
}

/* Those since the last time. */
static unsigned new_rows(struct rig *r, struct lg_row *last)
{
	static struct lg_ledger_pos pos;
	struct lg_ledger_stats stats = {0};
	struct counting c = {0, last};

	lg_ledger_walk(lg_engine_ledger(r->e)->dir, &pos, INT64_MIN, count_row,
		       &c, &stats);
	return c.n;
}

static struct lg_row first;

/* The one new row says what is wanted, and what the first way's said. */
static void check_new_row(struct rig *r, json_t *want)
{
	struct lg_row row = {0};
	unsigned n = new_rows(r, &row);

	if (n != 1)
		complain("rows", n, 1);
	check_row(want, &row);
	if (!first.size)
		first = row;
	else if (row.cost_pusd != first.cost_pusd || row.flags != first.flags ||
		 row.input_tokens != first.input_tokens ||
		 row.output_tokens != first.output_tokens ||
		 row.estimate_pusd != first.estimate_pusd ||
		 strcmp(row.usage_raw, first.usage_raw))
		complain("row after cuts or codings", row.cost_pusd,
			 first.cost_pusd);
}

#endif
