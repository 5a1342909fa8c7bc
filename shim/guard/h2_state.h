#ifndef LG_GUARD_H2_STATE_H
#define LG_GUARD_H2_STATE_H

#include "base/buf.h"
#include "guard/flow_state.h"
#include "guard/h2.h"
#include "guard/h2_fields.h"
#include "wire/h2.h"
#include "wire/hpack.h"

/*
 * Private to h2*.c. up: from the program to the server; down: the answers.
 *
 * A stream's request and answer live in an HTTP/1.1 flow of its own (sub):
 * what comes from the program is told it as HTTP/1.1, what it lets go is
 * written as HTTP/2 by us. So a stream is opened at the server only when its
 * request is decided, under a number of our own where another one overtook
 * it, with our own header compression. The server's header blocks pass as
 * they are, until one of them has to be kept from the program.
 */

#define LG_H2_BUCKETS 64
#define LG_H2_STREAMS_MAX 4096
#define LG_H2_GONE 128
#define LG_H2_BLOCK_MAX ((size_t)256 << 10) /* a header block, coded */
#define LG_H2_CONTROL_MAX ((size_t)64 << 10)
#define LG_H2_SETTINGS_DEPTH 8
#define LG_H2_GRANT ((int64_t)16384) /* what is worth a frame of its own */

/*
 * Flow control of one direction. far: what the receiver still takes; near:
 * what the sender believes that it still may send. They differ by what is in
 * our hands, and by what was added or taken out.
 */
struct lg_h2_window {
	int64_t far, near;
};

/* SETTINGS that were not acknowledged yet; -1: not said. */
struct lg_h2_settings {
	int64_t table, window;
};

struct lg_h2_stream {
	struct lg_h2_stream *next, **at; /* all of the connection */
	struct lg_h2_stream *same_id, *same_sid;
	uint32_t id, sid;    /* the program's, the server's (0: not opened) */
	struct lg_flow *sub; /* NULL: it passes unseen */
	struct lg_h2_fields head; /* as the program sent it */
	struct lg_h2_fields trailers;
	struct lg_h2_window up, down;
	struct lg_framer back; /* of what sub lets go */
	struct lg_framer say;  /* of what sub says to the program */
	struct lg_buf wait;    /* body let go, until the server takes it */
	size_t waited;	       /* of it, on its way */
	struct lg_buf tail; /* body that is ours or edited, for the program */
	size_t tailed;	    /* of it, told */
	uint64_t declared;  /* by content-length, yet to come */
	uint64_t end_at;    /* c->queued behind its last frame */
	uint8_t prio[5];
	bool has_prio;
	bool chunked;	/* sub is told the body in chunks */
	bool head_out;	/* its head may go to the server */
	bool up_end;	/* the program ended its request */
	bool up_done;	/* END_STREAM is on its way to the server */
	bool answered;	/* the server's final head was seen */
	bool down_done; /* the program had the end of its answer */
	bool tail_end;	/* tail is all: END_STREAM behind it */
	bool dead;	/* the server's frames are not for the program */
	bool refused;	/* it was never opened: what comes is dropped */
};

/* A stream that is over, whose late frames must still be known. */
struct lg_h2_gone {
	uint32_t id, sid;
	bool dead;
};

/* What becomes of the server's frame at hand. */
enum lg_h2_pass { LG_H2_RAW, LG_H2_EAT, LG_H2_EDIT };

struct lg_h2conn {
	struct lg_flow *flow;
	struct lg_h2_stream *streams;
	struct lg_h2_stream *by_id[LG_H2_BUCKETS], *by_sid[LG_H2_BUCKETS];
	unsigned nstreams;
	uint32_t last_id, last_sid; /* opened by the program, at the server */
	struct lg_h2_gone gone[LG_H2_GONE];
	unsigned ngone;
	struct nghttp2_hd_inflater *up_reader, *down_reader;
	struct nghttp2_hd_deflater *up_writer;
	struct lg_h2 up, down;
	struct lg_buf up_block, down_block; /* header block, control frame */
	uint32_t up_stream, down_stream;    /* whose header block */
	uint8_t up_flags, down_flags, down_kind; /* of its first frame */
	struct lg_h2_settings up_set[LG_H2_SETTINGS_DEPTH];
	struct lg_h2_settings down_set[LG_H2_SETTINGS_DEPTH];
	unsigned nup_set, ndown_set;
	int64_t up_window, down_window; /* a new stream's */
	struct lg_h2_window up_all, down_all;
	int64_t down_table; /* program's, in force */
	int64_t say_size;   /* ours must begin with this size; -1 */
	uint64_t waiting;   /* bytes in all wait buffers */

	struct lg_buf out, next; /* out is being written, next is not yet */
	size_t sent;
	uint64_t queued, flushed; /* bytes ever */
	struct lg_buf synth;	  /* for the program, before the server's */
	size_t told;
	struct lg_buf ours;  /* the same, at the next edge */
	struct lg_buf late;  /* server's frames: the program's window is full */
	int64_t late_bytes;  /* flow controlled, in it */
	int64_t telling;     /* bytes in all tails */
	uint32_t turn;	     /* the stream that was served last */
	struct lg_buf piece; /* scratch */
	bool guarded;	     /* by name */
	uint8_t ping[8];
	bool pinged;  /* its answer is on the way */
	bool wake;    /* the program has to be woken */
	bool mid;     /* the program has a part of a frame or block */
	bool moved;   /* a stream has another number at the server */
	bool rewrite; /* header blocks to the program are ours */
	bool going;   /* the server takes no more streams */
	bool broken;  /* up is not understood: it passes */
	bool deaf;    /* down is not understood: it passes */
	bool to_late; /* the frame at hand goes there */
	enum lg_h2_pass pass;
	struct lg_h2_stream *down_st; /* whose frame is at hand */
	bool block_raw;		      /* the header block passes as it is */
};

/* The bytes of one read, as they are moved together. */
struct lg_h2_view {
	char *p;
	size_t at, shown;
	bool divert;
};

/* -- h2.c ------------------------------------------------------------------ */

/* To the program: where whole frames of ours are appended. */
struct lg_buf *lg_h2conn_say(struct lg_h2conn *c);
/* A direction is not understood any more: it passes from here on. */
void lg_h2conn_break_up(struct lg_h2conn *c);
void lg_h2conn_break_down(struct lg_h2conn *c);
/* SETTINGS were said, and acknowledged, by the other side each. */
void lg_h2_settings_push(struct lg_h2_settings *ring, unsigned *n,
			 struct lg_slice content);
bool lg_h2_settings_pop(struct lg_h2_settings *ring, unsigned *n,
			struct lg_h2_settings *out);

/* -- h2_stream.c ----------------------------------------------------------- */

struct lg_h2_stream *lg_h2_stream_new(struct lg_h2conn *c, uint32_t id);
struct lg_h2_stream *lg_h2_stream_by_id(struct lg_h2conn *c, uint32_t id);
struct lg_h2_stream *lg_h2_stream_by_sid(struct lg_h2conn *c, uint32_t sid);
const struct lg_h2_gone *lg_h2_stream_gone(const struct lg_h2conn *c,
					   uint32_t sid);
/* Settle what is under way and free it. */
void lg_h2_stream_del(struct lg_h2conn *c, struct lg_h2_stream *st);
/* The same when nothing is missing any more. True: it is gone. */
bool lg_h2_stream_reap(struct lg_h2conn *c, struct lg_h2_stream *st);
/* Bytes of its HTTP/1.1 likeness from the program. */
void lg_h2_stream_write(struct lg_h2conn *c, struct lg_h2_stream *st,
			const char *p, size_t n);
/* What sub let go, and what it says itself, is taken over. */
void lg_h2_stream_pump(struct lg_h2conn *c, struct lg_h2_stream *st);
/* The program has sent all of the request. */
void lg_h2_stream_end(struct lg_h2conn *c, struct lg_h2_stream *st);
/* Without sub: its head goes out as it came. */
void lg_h2_stream_open(struct lg_h2conn *c, struct lg_h2_stream *st);
/* As much of wait and tail as the windows allow. */
void lg_h2_stream_send(struct lg_h2conn *c, struct lg_h2_stream *st);
void lg_h2_stream_tell(struct lg_h2conn *c, struct lg_h2_stream *st);
/* One more piece of its body for the program, to be told. */
void lg_h2_stream_add(struct lg_h2conn *c, struct lg_h2_stream *st,
		      const char *p, size_t n);
void lg_h2conn_send_all(struct lg_h2conn *c);
void lg_h2_stream_reset(struct lg_h2conn *c, struct lg_h2_stream *st,
			bool program, bool server, uint32_t why);
/* Its answer is over as far as it will be told; settles it. */
void lg_h2_stream_answered(struct lg_h2_stream *st, bool complete);

/* -- windows --------------------------------------------------------------- */

/* Tell senders what they may send now; least: not for less than that. */
void lg_h2conn_grant_up(struct lg_h2conn *c, struct lg_h2_stream *st,
			int64_t least);
void lg_h2conn_grant_down(struct lg_h2conn *c, struct lg_h2_stream *st,
			  int64_t least);

/* -- h2_up.c, h2_down.c ---------------------------------------------------- */

void lg_h2_up_feed(struct lg_h2conn *c, const char *p, size_t n);
size_t lg_h2_down_feed(struct lg_h2conn *c, char *p, size_t n);
/* The program's window may have room for late frames. */
void lg_h2_down_drain(struct lg_h2conn *c);
/* The collected frame at hand goes to the program, for this stream. */
void lg_h2_down_frame(struct lg_h2conn *c, struct lg_h2_view *v,
		      uint32_t stream);
/* What the program calls a stream of the server's. */
uint32_t lg_h2_down_name(const struct lg_h2conn *c,
			 const struct lg_h2_stream *st, uint32_t sid);
/* A stream that the program does not know under this number. */
bool lg_h2_down_is_unknown(const struct lg_h2conn *c, uint32_t sid);

/* h2_control.c: the server's frame at hand is whole and no answer. */
void lg_h2_down_control(struct lg_h2conn *c, struct lg_h2_view *v);

#endif
