#ifndef LG_GUARD_LOCAL_H
#define LG_GUARD_LOCAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/image.h"
#include "base/slice.h"
#include "base/url.h"
#include "base/usage.h"
#include "guard/framer.h"

struct lg_exchange;

/* A model server of the user's own. */
struct lg_local_server {
	struct lg_url url;
	struct lg_slice ca_file; /* who may vouch for it; "": the system's */
	bool unverified;	 /* nobody need */
};

/*
 * The action `local`: a request goes to a model server of the user's own and
 * its answer comes back in the place of the provider's, in the request's own
 * dialect. The provider gets nothing; nothing is held; no field of the
 * program's head (keys, cookies) goes along. One thread per object.
 *
 * How the bytes get there is for the hook to say: it sends the request on a
 * connection of its own and lets the program's event loop wait for that one
 * instead. Called with the request whole. NULL: it went out; else why
 * not, for the log: not possible, or nobody there, and nothing has changed.
 */
typedef const char *lg_local_send_fn(void *arg,
				     const struct lg_local_server *to,
				     struct lg_slice request);

/* How an answer goes on, once its head is there. */
enum lg_local_how {
	LG_LOCAL_HEAD,	/* it is not yet */
	LG_LOCAL_PASS,	/* its body is the program's */
	LG_LOCAL_SPEAK, /* its body is translated */
	LG_LOCAL_ERROR, /* it is kept, to be told as an error */
};

/* An answer of a local server on its way to the program. */
struct lg_local {
	struct lg_framer resp;
	struct lg_translation *speech; /* NULL: both speak the same */
	struct lg_buf text; /* translated, or to be told as an error */
	enum lg_local_how how;
	size_t skipped; /* bytes before it: of the old connection */
	uint64_t got;	/* bytes that were told */
	size_t seen;	/* of its first word */
	unsigned status;
	bool told;    /* the program had the head */
	bool chunked; /* as the program sees it */
	bool old;     /* the program speaks HTTP/1.0 */
	bool done;    /* nothing follows */
	char at[LG_URL_MAX + 1];
};

/*
 * May this request go to the model server of the action a instead? Asked with
 * nothing held and no denial; held is the request as it would go out. True:
 * it went there; the answer's bytes are to be told to x->local. False: not
 * possible, the next action is taken.
 */
bool lg_local_take(struct lg_exchange *x, const struct lg_image *img,
		   const struct lg_img_action *a, const struct lg_buf *held,
		   lg_local_send_fn *send, void *arg);

/*
 * Bytes of the local server; what the program reads for them is appended to
 * out. After l->done nothing more is told.
 */
void lg_local_arrived(struct lg_exchange *x, const char *p, size_t n,
		      struct lg_buf *out);
/* Of the bytes told, those of the local server, as far as that is known. */
uint64_t lg_local_got(const struct lg_local *l);
/* Its connection ended. Then l->done. */
void lg_local_eof(struct lg_exchange *x, struct lg_buf *out);

/* What the server counted itself, where its answer is translated. */
bool lg_local_usage(const struct lg_local *l, struct lg_usage *u);

/* NULL is accepted. */
void lg_local_del(struct lg_local *l);

/*
 * An answer of our own, in the request's dialect: the local server at `at`
 * failed so. detail: what it said itself, or "". 0, -EMSGSIZE, -ENOMEM.
 */
int lg_local_error(const struct lg_exchange *x, unsigned status,
		   const char *why, struct lg_slice detail,
		   struct lg_buf *body);

#endif
