#ifndef LG_TOOLS_INDEX_SCHEMA_H
#define LG_TOOLS_INDEX_SCHEMA_H

/*
 * The tables of the index (docs/index.md). Another number: the index is made
 * anew from the ledger.
 */
#define INDEX_VERSION 5

extern const char index_schema[];

/* Texts that a call belongs by, in the order of the columns of `who`. */
enum index_who {
	WHO_PROJECT,
	WHO_USER,
	WHO_KEY,
	WHO_TAGS, /* joined by U+001F */
	WHO_EXPERIMENT,
	WHO_COMM,
	WHO_COLUMNS
};

/* And what it was, in the order of the columns of `what`. */
enum index_what {
	WHAT_PROVIDER,
	WHAT_HOST,
	WHAT_DIALECT,
	WHAT_ENDPOINT,
	WHAT_MODEL_REQUESTED,
	WHAT_MODEL,
	WHAT_TIER,
	WHAT_PHASE,
	WHAT_REQUEST_TYPE,
	WHAT_VERDICT,
	WHAT_REASON,
	WHAT_STATUS,
	WHAT_COVERAGE, /* exact estimated unknown abandoned */
	WHAT_USAGE_STATE,
	WHAT_PRICE_STATE,
	WHAT_CACHE_HIT,
	WHAT_FLAGS, /* joined by U+001F */
	WHAT_COLUMNS
};

/* Columns of a fact, see index_fact.h. */
enum index_fact_column {
	FACT_TS,   /* ms */
	FACT_WHO,  /* id */
	FACT_WHAT, /* id */
	FACT_CONVERSATION,
	FACT_RUN,
	FACT_CALLS, /* 1; -1 where one is taken back; 0 */
	FACT_COST,
	FACT_INPUT_COST,
	FACT_ECONOMIC,
	FACT_ESTIMATE,
	FACT_INPUT,
	FACT_OUTPUT,
	FACT_CACHE_READ,
	FACT_CACHE_WRITE,
	FACT_REASONING,
	FACT_DURATION,
	FACT_COLUMNS
};

#endif
