#ifndef LG_BUDGET_LAYOUT_H
#define LG_BUDGET_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "budget/hold.h"

/*
 * The region's bytes: an ABI between all processes of a host. Change a field,
 * bump LG_REGION_MAJOR and docs/region.md in the same commit. Every field may
 * be written by another process at any time: read with base/atomic.h, check
 * every index. Little-endian hosts only.
 */
#define LG_REGION_MAGIC "LLMGRGN" /* 8 bytes with the NUL */
#define LG_REGION_MAJOR 1
/* 1: `stat`, 2: `events`, 3: `dark`, 4: of a row `request_hash` and
   `max_output_tokens`: zeroes before, and nobody read them. */
#define LG_REGION_MINOR 4

#define LG_CELLS 2048u
#define LG_SLOTS 1024u
#define LG_BUFS 1056u /* drafts: one for each slot, 32 to change them */
#define LG_TEXTS 256u /* names and scopes, shared by cells */
#define LG_HINTS 32u  /* where a free draft was last seen */
#define LG_NAME_CAP 64
#define LG_SCOPE_CAP 128
#define LG_VALUE_CAP 52
#define LG_COUNTERS 24u
#define LG_STATS 48u	     /* models with statistics */
#define LG_STAT_OUTPUTS 128u /* buckets of output tokens, 8 an octave */
#define LG_STAT_RATIOS 32u   /* buckets of bytes a token, 1 to 12 */
#define LG_STAT_NAME 12u     /* words of 8 characters */
#define LG_EVENTS 16u	     /* the last ones */
#define LG_EVENT_WORDS 77u   /* of 8 bytes: a line of JSON */
#define LG_ONCES 248u	     /* what was told in this window */
#define LG_DARKS 24u	     /* programs and hosts with dark traffic */
#define LG_DARK_HOST 7u	     /* words of 8 characters */
#define LG_DARK_EXE 3u

/*
 * A cell's second word, its tag: window << 32 | slot << 22 | index << 17 |
 * seq. It names the last operation on the cell: step `index` of operation
 * `seq` of the hold in `slot`. Index LG_TAG_NOBODY: no slot stands behind it
 * (the other bits only make it unique).
 */
#define LG_TAG_SEQ_BITS 17
#define LG_TAG_SEQ_MASK ((1u << LG_TAG_SEQ_BITS) - 1)
#define LG_TAG_NOBODY 31u
/* The window of a cell that is being given to another budget. */
#define LG_WINDOW_RETIRED UINT32_MAX

/* Hot line of a budget cell; what an admission touches. */
struct lg_cell {
	struct lg_pair word; /* used (int64, spent + held), tag */
	/* What the ledger knew: pusd or lease end; window << 32 | enum seed. */
	struct lg_pair seed;
	uint64_t warned;  /* window << 32 | refusing << 31 | bits */
	uint64_t calls;	  /* window << 32 | count */
	uint64_t blocked; /* window << 32 | count */
	uint32_t undos;	  /* roll-backs that ended here, wraps */
	uint32_t left;	  /* newest window that a wrong clock made us leave */
};

enum lg_seed {
	LG_SEED_NONE,
	LG_SEED_LEASED,
	LG_SEED_DONE,
};

enum lg_cell_state {
	LG_CELL_NEVER,	 /* ends a probe */
	LG_CELL_FILLING, /* being written under the lock; no match */
	LG_CELL_READY,
};
#define LG_CELL_HARD 1u
#define LG_CELL_EACH 2u
#define LG_CELL_STRICT 4u

struct lg_cell_meta {
	struct lg_pair id;
	int64_t limit_pusd;
	uint64_t config_id;
	int64_t since_ms;
	int64_t window_start_ms, window_end_ms; /* of window_tag */
	uint32_t window_tag;
	uint32_t touched_s; /* CLOCK_REALTIME, to the minute */
	uint32_t epoch;	    /* bumped when the cell changes its budget */
	uint32_t text;	    /* index into texts; >= LG_TEXTS: none */
	uint8_t state;	    /* enum lg_cell_state */
	uint8_t period;	    /* enum lg_period */
	uint8_t flags;	    /* LG_CELL_HARD ... */
	uint8_t pad;
	char value[LG_VALUE_CAP];
};

struct lg_text {
	char name[LG_NAME_CAP];
	char scope[LG_SCOPE_CAP];
};

/*
 * A slot's word: seq << 28 | state << 24 | mask. seq numbers the slot's
 * operations; mask are the charges the operation is about.
 */
enum lg_slot_state {
	LG_SLOT_FREE,
	LG_SLOT_TAKING, /* swaps under way; never dispatched */
	LG_SLOT_HELD,
	LG_SLOT_DISPATCHED,
	LG_SLOT_UNDOING,  /* swaps back of `mask` under way */
	LG_SLOT_SETTLING, /* swaps to `actual` under way */
	LG_SLOT_SETTLED,  /* money done; the row waits */
	LG_SLOT_STAGED,	  /* its row could not be written */
	LG_SLOT_ORPHAN,	  /* abandoned; its row waits */
	LG_SLOT_STATES
};

/*
 * owner.lo: ns << 36 | pid << 14 | turn << 1 | busy; owner.hi: start << 32 |
 * boot << 22 | image (budget/owner.h). pid 0: free when ns is 0, anybody's
 * (a staged row) when ns is 1.
 */
struct lg_slot {
	struct lg_pair owner;
	uint64_t word;
	uint64_t ack[2];   /* by parity of seq: seq << 28 | mask */
	uint32_t draft[2]; /* buffer << 16 | len; [1] from SETTLING on */
	uint64_t since;	   /* boot ns, low 8 bits: charges */
	int64_t actual_pusd;
	uint32_t cell[LG_HOLD_CELLS_MAX]; /* epoch << 11 | index */
	uint32_t window[LG_HOLD_CELLS_MAX];
	int64_t amount_pusd[LG_HOLD_CELLS_MAX];
};

struct lg_draft {
	unsigned char bytes[LG_DRAFT_MAX];
};

/*
 * What one model's answers were like (budget/stats.h). Nobody repairs it: each
 * field is right by itself, or bounded where it is wrong.
 */
struct lg_stat {
	struct lg_pair id;   /* hash; bit 0 of hi: being emptied. 0: free */
	uint64_t digest;     /* what admission reads, 0: nothing learned */
	uint32_t touched_s;  /* CLOCK_REALTIME of the last sample */
	uint32_t outputs;    /* samples in `output` and `unfinished`, about */
	uint32_t ratios;     /* samples in `ratio`, about */
	uint16_t unfinished; /* answers that their maximum cut off */
	uint16_t pad0;
	uint64_t name[LG_STAT_NAME]; /* "provider/model", text, cut */
	uint64_t seen;		     /* samples ever */
	uint16_t ratio[LG_STAT_RATIOS];
	uint16_t output[LG_STAT_OUTPUTS];
	char pad1[48];
};

/* One line of events.jsonl (budget/events.h). */
struct lg_event_slot {
	uint64_t turn; /* number << 2 | enum lg_event_state */
	uint64_t id;
	uint32_t len;
	uint32_t at_s; /* CLOCK_REALTIME */
	uint64_t text[LG_EVENT_WORDS];
};

struct lg_event_area {
	uint64_t next; /* number of the next event */
	uint64_t lost; /* overwritten before they were in the file */
	char pad0[48];
	uint64_t once[LG_ONCES]; /* hash << 16 | hour; 0 free */
	struct lg_event_slot slot[LG_EVENTS];
};

/* Connections to one host that no hook saw the inside of (budget/dark.h). */
struct lg_dark_slot {
	uint64_t id;		  /* hash of program and host; 0 free */
	uint64_t count;		  /* connections */
	uint64_t sent, received;  /* bytes of TCP */
	uint32_t first_s, last_s; /* CLOCK_REALTIME */
	uint32_t pid;		  /* of the last one */
	uint32_t pad0;
	uint64_t host[LG_DARK_HOST]; /* text, cut */
	uint64_t exe[LG_DARK_EXE];   /* text, cut */
};

struct lg_head {
	char magic[8];
	uint16_t major, minor;
	uint32_t header_size; /* sizeof(struct lg_head) */
	uint64_t size;	      /* of the whole file */
	uint32_t ncells, nslots, nbufs, ntexts;
	uint64_t state_dir; /* hash of the state directory's real path */
	int64_t built_ms;
	char uuid[40]; /* 32 hex digits, NUL */
	char boot[40]; /* boot id at the build */
	char pad0[120];
	/* offset 256 */
	uint64_t generation;
	uint64_t disabled;
	char pad1[48];
	/* offset 320 */
	struct lg_pair lock; /* insertion of cells: an owner, or 0 */
	int64_t lock_since;  /* boot ns */
	uint64_t unique;     /* for tags without a slot */
	char pad2[32];
	/* offset 384 */
	uint64_t counter[LG_COUNTERS];
	uint32_t hint[LG_HINTS];
	uint32_t buf_owner[LG_BUFS]; /* slot + 1; 0 free */
	struct lg_dark_slot dark[LG_DARKS];
	char pad3[192];
};

/* The whole file. */
struct lg_map {
	struct lg_head head;
	struct lg_cell cell[LG_CELLS];
	struct lg_cell_meta meta[LG_CELLS];
	struct lg_text text[LG_TEXTS];
	struct lg_slot slot[LG_SLOTS];
	struct lg_stat stat[LG_STATS];
	struct lg_event_area events;
	struct lg_draft draft[LG_BUFS];
};

#define LG_AT(type, field, off)                                                \
	_Static_assert(offsetof(struct type, field) == (off), #type "." #field)

_Static_assert(sizeof(struct lg_cell) == 64, "one cache line");
LG_AT(lg_cell, word, 0);
LG_AT(lg_cell, seed, 16);
LG_AT(lg_cell, warned, 32);
LG_AT(lg_cell, calls, 40);
LG_AT(lg_cell, blocked, 48);
LG_AT(lg_cell, undos, 56);
LG_AT(lg_cell, left, 60);

_Static_assert(sizeof(struct lg_cell_meta) == 128, "two cache lines");
LG_AT(lg_cell_meta, id, 0);
LG_AT(lg_cell_meta, limit_pusd, 16);
LG_AT(lg_cell_meta, config_id, 24);
LG_AT(lg_cell_meta, since_ms, 32);
LG_AT(lg_cell_meta, window_start_ms, 40);
LG_AT(lg_cell_meta, window_end_ms, 48);
LG_AT(lg_cell_meta, window_tag, 56);
LG_AT(lg_cell_meta, touched_s, 60);
LG_AT(lg_cell_meta, epoch, 64);
LG_AT(lg_cell_meta, text, 68);
LG_AT(lg_cell_meta, state, 72);
LG_AT(lg_cell_meta, period, 73);
LG_AT(lg_cell_meta, flags, 74);
LG_AT(lg_cell_meta, value, 76);

_Static_assert(sizeof(struct lg_text) == 192, "name and scope");

_Static_assert(sizeof(struct lg_slot) == 448, "seven cache lines");
LG_AT(lg_slot, owner, 0);
LG_AT(lg_slot, word, 16);
LG_AT(lg_slot, ack, 24);
LG_AT(lg_slot, draft, 40);
LG_AT(lg_slot, since, 48);
LG_AT(lg_slot, actual_pusd, 56);
LG_AT(lg_slot, cell, 64);
LG_AT(lg_slot, window, 160);
LG_AT(lg_slot, amount_pusd, 256);

_Static_assert(sizeof(struct lg_stat) == 512, "eight cache lines");
LG_AT(lg_stat, id, 0);
LG_AT(lg_stat, digest, 16);
LG_AT(lg_stat, touched_s, 24);
LG_AT(lg_stat, outputs, 28);
LG_AT(lg_stat, ratios, 32);
LG_AT(lg_stat, unfinished, 36);
LG_AT(lg_stat, name, 40);
LG_AT(lg_stat, seen, 136);
LG_AT(lg_stat, ratio, 144);
LG_AT(lg_stat, output, 208);

_Static_assert(sizeof(struct lg_event_slot) == 640, "ten cache lines");
LG_AT(lg_event_slot, id, 8);
LG_AT(lg_event_slot, len, 16);
LG_AT(lg_event_slot, text, 24);

_Static_assert(sizeof(struct lg_event_area) == 12288, "three pages");
LG_AT(lg_event_area, once, 64);
LG_AT(lg_event_area, slot, 2048);

_Static_assert(sizeof(struct lg_dark_slot) == 128, "two cache lines");
LG_AT(lg_dark_slot, first_s, 32);
LG_AT(lg_dark_slot, host, 48);
LG_AT(lg_dark_slot, exe, 104);

_Static_assert(sizeof(struct lg_head) == 8192, "header");
LG_AT(lg_head, major, 8);
LG_AT(lg_head, header_size, 12);
LG_AT(lg_head, size, 16);
LG_AT(lg_head, ncells, 24);
LG_AT(lg_head, state_dir, 40);
LG_AT(lg_head, built_ms, 48);
LG_AT(lg_head, uuid, 56);
LG_AT(lg_head, boot, 96);
LG_AT(lg_head, generation, 256);
LG_AT(lg_head, lock, 320);
LG_AT(lg_head, counter, 384);
LG_AT(lg_head, hint, 576);
LG_AT(lg_head, buf_owner, 704);
LG_AT(lg_head, dark, 4928);

LG_AT(lg_map, cell, 8192);
LG_AT(lg_map, meta, 139264);
LG_AT(lg_map, text, 401408);
LG_AT(lg_map, slot, 450560);
LG_AT(lg_map, stat, 909312);
LG_AT(lg_map, events, 933888);
LG_AT(lg_map, draft, 946176);

#undef LG_AT
_Static_assert(sizeof(struct lg_map) < 4u << 20, "below 4 MiB");

#endif
