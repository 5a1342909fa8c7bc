#ifndef LG_TOOLS_TOP_H
#define LG_TOOLS_TOP_H

#include <stdbool.h>
#include <stdint.h>
#include <wchar.h>

#include "json.h"
#include "top_tally.h"
#include "view.h"

struct lg_engine;

/*
 * `llmguard top`: look (top_look.c) -> model -> rows of text (top_rows.c) ->
 * cells (top_layout.c) -> a terminal (top_screen.c) or plain text. What is
 * pressed changes the ui alone (top_keys.c); what it asks for is done by the
 * commands that everybody has (top_act.c). One thread, heap.
 */
enum top_section {
	TOP_BUDGETS,
	TOP_PROCESSES,
	TOP_MODELS,
	TOP_CALLS,
	TOP_BLOCKED,
	TOP_HOLDS,
	TOP_SECTIONS
};

/* -- rows: what a section shows ------------------------------------------- */

#define TOP_FIELDS 12
#define TOP_TEXT 96
#define TOP_ID 144

struct top_column {
	const char *title;
	uint8_t min, max; /* width in columns */
	bool right;	  /* aligned so, and sorted by number, biggest first */
	uint8_t drop;	  /* where there is no room: highest first; 0 never */
};

struct top_table {
	const char *title;
	uint8_t sort; /* by this column, unless told otherwise */
	const struct top_column *column;
	uint8_t ncolumns;
};
extern const struct top_table top_tables[TOP_SECTIONS];

enum top_style {
	TOP_PLAIN,
	TOP_DIM,
	TOP_BOLD,
	TOP_BAR,   /* the title's line */
	TOP_TITLE, /* a section's */
	TOP_HEAD,  /* of columns */
	TOP_OK,
	TOP_WARN,
	TOP_BAD,
	TOP_HELD,
	TOP_STYLES
};
#define TOP_SELECTED 0x40 /* beside a style */

struct top_row {
	char id[TOP_ID]; /* who it is, from one look to the next */
	char text[TOP_FIELDS][TOP_TEXT]; /* untrusted UTF-8 */
	int64_t key[TOP_FIELDS];	 /* numbers to sort by */
	uint8_t style;
	int32_t pid;		   /* 0: none */
	int32_t used_ppm, all_ppm; /* of a bar: spent; with held */
	char budget[64];	   /* its name; "" none */
	int64_t until_ms;	   /* end of its window; 0 none */
	int64_t limit_pusd;
	bool each; /* the budget has other counters, too */
};

struct top_rows {
	struct top_row *row;
	unsigned n, cap;
	unsigned shown; /* after top_arrange: the first so many */
};

/* -- the model: what is so at one moment ----------------------------------- */

struct top_budget {
	const struct view *v;
	int64_t rate_pusd; /* an hour; INT64_MIN unknown */
	int64_t empty_ms;  /* when it is used up at that rate; 0: not
			      before its window ends */
	bool is_empty;
};

enum top_via { TOP_VIA_UNKNOWN, TOP_VIA_PRELOAD, TOP_VIA_TRACER, TOP_VIA_GONE };

struct top_hold {
	int32_t pid;
	char comm[16], host[96], model[128], budgets[128];
	const char *state;
	int64_t age_ms, held_pusd;
};
#define TOP_HOLDS_MAX 1024

struct top_model {
	int64_t now_ms;
	char clock[16];
	bool has_region, is_gone; /* is_gone: its file; the last state */
	bool off, paused_all, closed;
	unsigned tracers, nholds, staged, paused_pids, stopped_pids;
	char trouble[200];
	struct views views;
	struct top_budget *budget;
	struct top_hold *hold;
	const struct top_tally *tally;
	struct top_rows rows[TOP_SECTIONS];
};

const char *top_via_name(enum top_via v);

/* -- top_look.c ------------------------------------------------------------ */

struct top_look {
	struct lg_engine *e; /* read-only */
	struct lg_env *env;
	struct top_tally tally;
	int64_t day_start_ms, prepared_ms;
};

/* 0, -errno; after it the engine may also have no region. */
int top_look_open(struct top_look *k, struct lg_engine *e);
/* *m is released and filled again. 0, -ENOMEM. */
int top_look_read(struct top_look *k, struct top_model *m);
void top_look_close(struct top_look *k);
void top_model_fini(struct top_model *m);

/* The rows of all sections from the rest of the model. 0, -ENOMEM. */
int top_rows_fill(struct top_model *m);
void top_rows_fini(struct top_model *m);
/* One record. */
void top_json(struct json *j, const struct top_model *m);
/* "2h10m", "45s"; "now" for 0 and less. Four static buffers of its own. */
const char *top_span(int64_t ms);
/* Short money: cents from a dollar on. Four static buffers of its own. */
const char *top_usd(int64_t pusd);

/* -- what the person has chosen -------------------------------------------- */

enum top_mode {
	TOP_NORMAL,
	TOP_HELP,
	TOP_FILTER,  /* types what to look for */
	TOP_AMOUNT,  /* types an amount */
	TOP_CONFIRM, /* y or n */
};

enum top_act {
	TOP_ACT_NONE,
	TOP_ACT_QUIT,
	TOP_ACT_LOOK, /* now, not at the next turn */
	TOP_ACT_PAUSE,
	TOP_ACT_RESUME,
	TOP_ACT_RAISE,
};

struct top_ui {
	enum top_section focus;
	struct {
		uint8_t sort;
		bool reverse;
		unsigned index, first; /* selected, and at the top */
		char id[TOP_ID];
		unsigned page; /* rows on the screen, as laid out last */
	} s[TOP_SECTIONS];
	enum top_mode mode;
	bool unicode, frozen;
	char filter[64], input[64];
	char message[256];
	bool is_error;
	/* what is asked about */
	enum top_act act;
	int32_t pid;
	char budget[64];
	int64_t until_ms, limit_pusd, usd_pusd;
	bool each;
};

void top_ui_init(struct top_ui *ui, bool unicode);
/* Filter and sort the rows, and keep the selection where it was. */
void top_arrange(struct top_model *m, struct top_ui *ui);
const struct top_row *top_selected(const struct top_model *m,
				   const struct top_ui *ui);

/* Keys beside characters. */
enum {
	TOP_KEY_UP = 0x110000,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_BACKTAB,
	TOP_KEY_ERASE,
	TOP_KEY_ENTER,
	TOP_KEY_ESCAPE,
};
enum top_act top_key(struct top_ui *ui, const struct top_model *m, wint_t key);

/* -- cells ------------------------------------------------------------------
 */

struct top_cell {
	wchar_t c;
	uint8_t width; /* 1, 2; 0: the right half of the one before */
	uint8_t style; /* enum top_style, TOP_SELECTED */
};

struct top_grid {
	unsigned rows, cols;
	struct top_cell *cell; /* heap */
};

/* 0, -ENOMEM. What the grid had is released. */
int top_grid_init(struct top_grid *g, unsigned rows, unsigned cols);
void top_grid_fini(struct top_grid *g);
/*
 * UTF-8 text from column `at` on, at most `room` columns; returns columns used.
 * Controls and what has no width of its own are harmless: '?', or left out.
 */
unsigned top_put(struct top_grid *g, unsigned row, unsigned at, unsigned room,
		 bool unicode, uint8_t style, const char *text);
/* Columns of the text as top_put shows it. */
unsigned top_width(const char *text, bool unicode);

/* The whole screen; depends on nothing else. ui: pages and firsts are set. */
void top_layout(const struct top_model *m, struct top_ui *ui,
		struct top_grid *g);
/* Without the blank end of each line, and without blank lines at the end. */
void top_grid_text(const struct top_grid *g, struct lg_buf *out);

/* -- the terminal ------------------------------------------------------------
 */

/* 0; else the exit code, said why. */
int top_screen_open(bool colour);
void top_screen_close(void);
void top_screen_size(unsigned *rows, unsigned *cols);
void top_screen_draw(const struct top_grid *g);
enum { TOP_WAIT_KEY, TOP_WAIT_TIME, TOP_WAIT_RESIZED, TOP_WAIT_END };
/* At most until the wait is over; *key where there is one. */
int top_screen_wait(int64_t ms, wint_t *key);

/* Do what was asked for; ui->message says how it went. */
void top_act(struct top_ui *ui, enum top_act act);

#endif
