#include "guard/body_form.h"

#include <string.h>

#include "base/mem.h"
#include "wire/multipart.h"

struct lg_body_form {
	struct lg_body *body;
	struct lg_multipart multipart;
	int id; /* of the part at hand, -1: of no interest */
	bool is_file;
	bool open;
	uint64_t len;
	char text[LG_VALUE_TEXT_MAX];
};

static void part(void *ctx, struct lg_slice name, bool is_file)
{
	struct lg_body_form *f = ctx;
	const struct lg_dialect *d = f->body->d;

	f->id = -1;
	f->is_file = is_file;
	f->open = true;
	f->len = 0;
	for (unsigned i = 0; i < d->nform_fields; i++)
		if (lg_slice_eq(name, lg_slice_str(d->form_fields[i].path)))
			f->id = d->form_fields[i].id;
}

static void data(void *ctx, struct lg_slice piece)
{
	struct lg_body_form *f = ctx;

	if (!f->is_file && f->len < sizeof(f->text)) {
		size_t room = sizeof(f->text) - (size_t)f->len;

		memcpy(f->text + f->len, piece.p,
		       piece.len < room ? piece.len : room);
	}
	f->len += piece.len;
}

static void end(void *ctx)
{
	struct lg_body_form *f = ctx;
	struct lg_value v = {.type = LG_VALUE_STRING, .len = f->len};

	f->open = false;
	if (f->id < 0)
		return;
	v.truncated = f->is_file || f->len > sizeof(f->text);
	v.text = (struct lg_slice){"", 0};
	if (!f->is_file)
		v.text = (struct lg_slice){f->text, f->len < sizeof(f->text)
							    ? (size_t)f->len
							    : sizeof(f->text)};
	f->body->d->on_request(f->body->facts, f->id, &v);
}

static const struct lg_multipart_sink sink = {part, data, end};

bool lg_body_form_new(struct lg_body *b, struct lg_slice type)
{
	struct lg_body_form *f = lg_mem_take(sizeof(*f));

	if (!f)
		return false;
	f->body = b;
	f->open = false;
	b->form = f;
	return lg_multipart_init(&f->multipart, type, &sink, f);
}

void lg_body_form_del(struct lg_body_form *f)
{
	lg_mem_free(f, sizeof(*f));
}

void lg_body_form_feed(struct lg_body_form *f, const char *p, size_t n)
{
	lg_multipart_feed(&f->multipart, p, n);
}

void lg_body_form_rest(struct lg_body_form *f, uint64_t rest)
{
	if (f->open)
		f->len += rest;
}

bool lg_body_form_end(struct lg_body_form *f)
{
	if (f->open)
		end(f);
	return lg_multipart_is_whole(&f->multipart);
}
