#ifndef LG_TOOLS_REPORT_H
#define LG_TOOLS_REPORT_H

#include "again.h"
#include "ask.h"
#include "json.h"

struct lg_buf;

/* What is said of the days of a stretch of time. */
struct insight {
	int64_t first_day, last_day;	    /* that count; none: last < first */
	int64_t weekdays, weekends;	    /* how many of them */
	int64_t weekday_pusd, weekend_pusd; /* the average day of each */
	int64_t day_pusd;		    /* of all */
	const struct group *peak;	    /* dearest day; NULL: none */
	/* what made it dear: the group furthest above its average */
	const struct dim *why;
	char why_key[128];
	int64_t why_pusd, why_usual_pusd;
};

struct report {
	struct ask *a;
	const char *title;
	unsigned shown; /* groupings for the reader; the others are ours */
	unsigned top;	/* groups of one grouping at most, set before
			   report_run; 0: all */
	bool chart;
	bool cache;	    /* how well caches serve, instead of shares */
	bool again;	    /* also the requests that were made again */
	unsigned again_top; /* 0: all */
	struct again repeats;
	struct insight in;
};

/*
 * Run the query of r->a with what the insight needs besides; nby is then that
 * of all. -1; else the exit code, said why.
 */
int report_run(struct report *r);

void report_fini(struct report *r);

int report_text(struct report *r);
int report_json(struct report *r);
int report_csv(struct report *r);
/* As text, into out. */
void report_put_csv(struct report *r, struct lg_buf *out);
void report_put_json(struct report *r, struct json *j);

/* Total, tokens, coverage, averages, peak: a line each. */
void report_put_summary(const struct report *r, struct lg_buf *out);
/*
 * To a file whose name's end says how: .csv .json .html .xlsx .pdf. It is
 * there whole or not at all. The exit code, said why.
 */
int report_export(struct report *r, const char *path);
/* 0, or a negative number with the reason in why. */
int report_write_xlsx(struct report *r, const char *path, char why[256]);
int report_write_pdf(struct report *r, const char *path, char why[256]);
void report_put_html(struct report *r, struct lg_buf *out);

/* Groups of a grouping that are shown. */
unsigned report_count(const struct report *r, const struct grouping *g);

/*
 * With `cache` a row of a grouping has these behind its name: what came from
 * caches beside what it would have cost without, actual and economic.
 */
enum report_cache {
	CACHE_CALLS,
	CACHE_INPUT,
	CACHE_READ,
	CACHE_HIT, /* share */
	CACHE_WRITTEN,
	CACHE_COST,
	CACHE_WITHOUT,
	CACHE_SAVED,
	CACHE_OF_IT, /* share */
	REPORT_CACHE_CELLS
};
extern const struct report_cell {
	const char *title;
	char kind; /* 'n' count, '$' picodollars, '%' millionths */
} report_cache_cells[REPORT_CACHE_CELLS];
void report_cache_values(const struct sums *s, int64_t v[REPORT_CACHE_CELLS]);
/* As text. Good until the next call. */
void report_cache_text(const struct sums *s,
		       const char *text[REPORT_CACHE_CELLS]);

/* -- pieces for other commands ----------------------------------------- */

/* calls, tokens, money: the members of a total or a group. */
void sums_json(struct json *j, const struct sums *s);
/* "coverage": {...}; unreadable_lines of the ledger where there are any. */
void sums_json_coverage(struct json *j, const struct sums *s,
			const struct index *x);
/* "from", "to", "timezone". */
void ask_json(struct json *j, const struct ask *a);
/* "Coverage: exact 12 ($1.20), ..." and a line's end. */
void sums_text_coverage(struct lg_buf *out, const struct query *q);
/*
 * "2026-11-01 to 2026-11-22", "all time"; edges within a day with their clock.
 * Static buffer.
 */
const char *span_text(const struct ask *a, const struct span *s);
/* "12.3 %" of millionths. Four static buffers in turn. */
const char *ppm_text(int64_t ppm);
/* "1,234,567". Eight static buffers in turn. */
const char *count_text(int64_t n);
/* Rounded half to even, for averages; 0 where n is 0. */
int64_t money_share(int64_t pusd, int64_t n);

#endif
