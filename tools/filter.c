#include "filter.h"

#include "base/clock.h"
#include "dim.h"
#include "index_fact.h"
#include "ledger/row.h"
#include "price/price.h"

bool filter_fits(struct lg_slice text, const char *patterns)
{
	struct lg_slice rest = lg_slice_str(patterns), one;

	do {
		rest = lg_slice_cut(rest, ',', &one);
		one = lg_slice_trim(one);
		if (!text.len) {
			if (!one.len || lg_slice_eq(one, LG_SLICE("-")))
				return true;
		} else if (lg_slice_glob(text, one)) {
			return true;
		}
	} while (rest.len);
	return false;
}

bool filter_list_fits(struct lg_slice list, const char *patterns)
{
	struct lg_slice one;

	do {
		list = lg_slice_cut(list, '\x1f', &one);
		if (filter_fits(one, patterns))
			return true;
	} while (list.len);
	return false;
}

static bool canonical_fits(const struct lg_catalog *catalog,
			   const struct filter_model *m, struct lg_slice name,
			   const char *patterns)
{
	struct lg_price_query ask = {
		.provider = m->provider,
		.host = m->host,
		.model = name,
		.at_ms = lg_clock_real_ms(),
	};
	struct lg_price price;

	if (!catalog || !name.len)
		return false;
	lg_price_lookup(catalog, &ask, &price);
	return price.entry &&
	       filter_fits(lg_img_text(price.img, price.entry->model),
			   patterns);
}

bool filter_model_fits(const struct lg_catalog *catalog,
		       const struct filter_model *m, const char *patterns)
{
	const struct lg_slice names[] = {m->answered, m->asked};
	unsigned i;

	if (!m->answered.len && !m->asked.len)
		return filter_fits(LG_SLICE(""), patterns);
	for (i = 0; i < 2; i++)
		if (names[i].len && filter_fits(names[i], patterns))
			return true;
	for (i = 0; i < 2; i++)
		if (canonical_fits(catalog, m, names[i], patterns))
			return true;
	return false;
}

/* -- rows ------------------------------------------------------------------ */

static const char *who_text(const struct lg_row *r, unsigned column)
{
	switch ((enum index_who)column) {
	case WHO_PROJECT:
		return r->project;
	case WHO_USER:
		return r->user;
	case WHO_KEY:
		return r->key;
	case WHO_TAGS:
		return r->tags;
	case WHO_COMM:
		return r->comm;
	case WHO_EXPERIMENT:
		return r->experiment;
	default:
		return NULL;
	}
}

static const char *what_text(const struct lg_row *r, unsigned column)
{
	switch ((enum index_what)column) {
	case WHAT_PROVIDER:
		return r->provider;
	case WHAT_ENDPOINT:
		return r->endpoint;
	case WHAT_PHASE:
		return r->phase;
	case WHAT_REQUEST_TYPE:
		return r->request_type;
	case WHAT_VERDICT:
		return r->kind == LG_ROW_CALL
			       ? lg_verdict_name((enum lg_verdict)r->verdict)
			       : "";
	default:
		return NULL;
	}
}

/* NULL: nothing that rows are filtered by. */
static const char *text_of(const struct lg_row *r, const struct dim *d)
{
	switch (d->kind) {
	case DIM_OF_WHO:
		return who_text(r, d->column);
	case DIM_OF_WHAT:
		return what_text(r, d->column);
	case DIM_OF_FACT:
		return d->column == FACT_RUN ? r->run_id : r->conversation;
	default:
		return NULL;
	}
}

static bool row_model_fits(const struct lg_row *r, const char *patterns,
			   const struct lg_catalog *catalog)
{
	const struct filter_model m = {
		.provider = lg_slice_str(r->provider),
		.host = lg_slice_str(r->host),
		.answered = lg_slice_str(r->model),
		.asked = lg_slice_str(r->model_requested),
	};

	return filter_model_fits(catalog, &m, patterns);
}

bool filter_row_fits(const struct lg_row *row, const char *const *filter,
		     const struct lg_catalog *catalog)
{
	for (unsigned i = 0; i < ndims; i++) {
		const char *text;

		if (!filter[i])
			continue;
		if (dim_is_model(&dims[i])) {
			if (!row_model_fits(row, filter[i], catalog))
				return false;
			continue;
		}
		text = text_of(row, &dims[i]);
		if (text &&
		    !(dim_is_list(&dims[i])
			      ? filter_list_fits(lg_slice_str(text), filter[i])
			      : filter_fits(lg_slice_str(text), filter[i])))
			return false;
	}
	return true;
}
