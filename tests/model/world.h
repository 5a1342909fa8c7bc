#ifndef LG_TESTS_MODEL_WORLD_H
#define LG_TESTS_MODEL_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/* A small region and its processes, and what the model plays with them. */
#define CELLS 2
#define PROCS 3
#define SEQ_TAG 3u /* the tag keeps two bits of seq: it turns around */

enum state {
	FREE,
	TAKING,
	HELD,
	DISPATCHED,
	UNDOING,
	SETTLING,
	SETTLED,
	ORPHAN
};

enum pc {
	FILL,	    /* the slot's list of cells */
	BEGIN_ACK,  /* ack[parity] := {seq, 0} */
	BEGIN_WORD, /* word := {seq, op, mask} */
	CHECK_TAG,  /* redo: does the cell's tag name the step? */
	CHECK_ACK,  /* redo: does the acknowledgement? */
	READ,	    /* the cell */
	ACK_READ,   /* acknowledge whom we replace: four accesses */
	ACK_WORD,
	ACK_TAG,
	ACK_CAS,
	SWAP,	   /* the cell */
	OP_END,	   /* word := HELD, SETTLED; or on to COUNT */
	COUNT,	   /* undos of one cell */
	AFTER,	   /* HELD: dispatch, release */
	DONE,	   /* word := FREE */
	WHY_UNDOS, /* a refusal: is it true? */
	WHY_CELL,
	WHY_WORD,
	WHY_TAG,
	WHY_SLOT_ACK,
	WHY_WORD2,
	WHY_UNDOS2,
	RECOVER,
	FOUND_TAG, /* recovery of a take: which steps happened? */
	FOUND_ACK,
	END,
};

struct tag {
	uint8_t slot, step, seq; /* slot PROCS: nobody */
};

struct cell {
	int8_t used;
	uint8_t undos;
	struct tag tag;
};

struct slot {
	uint8_t state, seq, mask, list;
	uint8_t ack_seq[2], ack_mask[2];
};

struct proc {
	uint8_t pc, op, i, seq, mask, redo;
	int8_t old_used;
	struct tag old_tag;
	uint8_t a_seq, a_mask;
	uint8_t full, undos, other, step, has, missing, w_state, w_seq;
	uint8_t calls, tries, dead;
	uint8_t needs, odd, admitted, refused, busy;
	int8_t came_to[CELLS];
};

struct world {
	struct cell cell[CELLS];
	struct slot slot[PROCS];
	struct proc proc[PROCS];
	uint8_t kills;
};

/* What is played. */
static struct scene {
	const char *name;
	unsigned procs, cells, calls, kills, tries;
	unsigned others; /* calls of all but the first, when not 0 */
	int limit[CELLS], hold, actual;
	bool release; /* an admitted call may also be released */
	bool stay;    /* admitted calls keep their holds: refusals count */
	unsigned needs[PROCS]; /* the cells of each one's calls */
	unsigned odd[PROCS];   /* of every second call, when not 0 */
} scene;

enum fault {
	NONE,
	NO_ACK,	      /* tags are replaced without a note */
	ACK_AFTER,    /* the note comes after the swap */
	ONE_ACK,      /* one word of acknowledgements, not two */
	NO_TURN,      /* a seq that a cell still bears is used again */
	NO_TAG_CHECK, /* the tag is not looked at again */
	BLIND_REDO,   /* recovery redoes without asking */
	NO_HALF,      /* half-taken holds count for a refusal */
	NO_UNDOS,     /* roll-backs during the look are not noticed */
	UNDOS_FIRST,  /* ... counted before the swap */
	FAULTS
};
static enum fault fault;
static const char *const fault_name[FAULTS] = {
	"none",
	"no acknowledgement",
	"acknowledged after the swap",
	"one word of acknowledgements",
	"seq used again too early",
	"tag not checked again",
	"blind redo",
	"half-taken holds count",
	"roll-backs unnoticed",
	"roll-backs counted too early",
};

#endif
