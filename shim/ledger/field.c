#include "ledger/field.h"

#include <stddef.h>

static const char *const kinds[] = {"call", "adjust", "audit"};
static const char *const verdicts[] = {
	"allow", "warn", "throttle", "fallback", "clamp", "local",
	"block", "cut",	 "stop",     "deny",	 "reset", "kill",
};
static const char *const usage_states[] = {"exact", "estimated", "missing"};
static const char *const price_states[] = {
	"exact",
	"estimated",
	"provider",
	"unknown",
};
static const char *const cache_hits[] = {"none", "provider", "gateway",
					 "local"};
static const char *const flags[LG_ROW_FLAGS] = {
	"abandoned", "ignored_budget", "lost",	     "joined_late",
	"unbounded", "retry",	       "duplicate",  "wakeup",
	"recovered", "cut_short",      "bad_json",   "bad_http",
	"oversize",  "unguarded",      "contention", "undecodable",
	"mismatch",  "overshoot",      "pending",    "parts",
	"fallback",  "repeat",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FIELD(key, member, type, cap, names)                                   \
	{                                                                      \
		key, ",\"" key "\":", sizeof(key) - 1, type,                   \
			offsetof(struct lg_row, member), cap, names            \
	}
#define NUMBER(member, type) FIELD(#member, member, type, 0, NULL)
#define NAMED(key, member, type) FIELD(key, member, type, 0, NULL)
#define TEXT(member, type)                                                     \
	FIELD(#member, member, type, sizeof(((struct lg_row *)0)->member), NULL)
#define ENUM(member, names)                                                    \
	FIELD(#member, member, LG_F_ENUM, COUNT(names), names)

const struct lg_row_field lg_row_fields[] = {
	NUMBER(v, LG_F_V),
	TEXT(id, LG_F_ID),
	NAMED("ts", ts_ms, LG_F_TIME),
	NAMED("end_ts", end_ms, LG_F_TIME),
	NUMBER(pid, LG_F_I32),
	NUMBER(ppid, LG_F_I32),
	NUMBER(uid, LG_F_U32),
	TEXT(exe, LG_F_TEXT),
	TEXT(comm, LG_F_TEXT),
	TEXT(run_id, LG_F_TEXT),
	TEXT(project, LG_F_TEXT),
	TEXT(user, LG_F_TEXT),
	TEXT(key, LG_F_TEXT),
	TEXT(tags, LG_F_LIST),
	TEXT(conversation, LG_F_TEXT),
	TEXT(phase, LG_F_TEXT),
	TEXT(provider, LG_F_TEXT),
	TEXT(host, LG_F_TEXT),
	TEXT(dialect, LG_F_TEXT),
	TEXT(endpoint, LG_F_TEXT),
	TEXT(model_requested, LG_F_TEXT),
	TEXT(model, LG_F_TEXT),
	TEXT(tier, LG_F_TEXT),
	TEXT(price_version, LG_F_TEXT),
	ENUM(price_state, price_states),
	NUMBER(stream, LG_F_BOOL),
	NUMBER(status, LG_F_STATUS),
	ENUM(verdict, verdicts),
	TEXT(reason, LG_F_TEXT),
	TEXT(budgets, LG_F_LIST),
	NUMBER(input_tokens, LG_F_COUNT),
	NUMBER(cache_read_tokens, LG_F_COUNT),
	NUMBER(cache_write_5m_tokens, LG_F_COUNT),
	NUMBER(cache_write_1h_tokens, LG_F_COUNT),
	NUMBER(output_tokens, LG_F_COUNT),
	NUMBER(reasoning_tokens, LG_F_COUNT),
	NUMBER(audio_input_tokens, LG_F_COUNT),
	NUMBER(audio_output_tokens, LG_F_COUNT),
	NUMBER(units, LG_F_UNITS),
	ENUM(usage_state, usage_states),
	NAMED("estimate_usd", estimate_pusd, LG_F_MONEY),
	NAMED("cost_usd", cost_pusd, LG_F_MONEY),
	NAMED("economic_usd", economic_pusd, LG_F_MONEY),
	NAMED("provider_cost_usd", provider_cost_pusd, LG_F_MONEY),
	ENUM(cache_hit, cache_hits),
	NUMBER(ttft_ms, LG_F_MS),
	NUMBER(duration_ms, LG_F_MS),
	NUMBER(request_bytes, LG_F_COUNT),
	NUMBER(response_bytes, LG_F_COUNT),
	TEXT(response_id, LG_F_TEXT),
	TEXT(usage_raw, LG_F_RAW),
	ENUM(kind, kinds),
	NUMBER(flags, LG_F_FLAGS),
	TEXT(request_type, LG_F_TEXT),
	TEXT(experiment, LG_F_TEXT),
	NAMED("input_cost_usd", input_cost_pusd, LG_F_MONEY),
	NAMED("output_cost_usd", output_cost_pusd, LG_F_MONEY),
	NAMED("budget_ratio", budget_ratio_ppm, LG_F_RATIO),
	TEXT(label, LG_F_TEXT),
	TEXT(geo, LG_F_TEXT),
	TEXT(variant, LG_F_TEXT),
	NUMBER(request_hash, LG_F_HASH),
	NUMBER(max_output_tokens, LG_F_CAP),
	TEXT(ref, LG_F_TEXT),
	TEXT(note, LG_F_TEXT),
};
const unsigned lg_row_nfields = COUNT(lg_row_fields);

const char *lg_verdict_name(enum lg_verdict v)
{
	return v < COUNT(verdicts) ? verdicts[v] : "?";
}

const char *lg_usage_state_name(enum lg_usage_state s)
{
	return s < COUNT(usage_states) ? usage_states[s] : "?";
}

const char *lg_price_state_name(enum lg_price_state s)
{
	return s < COUNT(price_states) ? price_states[s] : "?";
}

const char *lg_row_flag_name(unsigned bit)
{
	return bit < LG_ROW_FLAGS ? flags[bit] : "?";
}
