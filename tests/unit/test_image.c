#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/image.h"
#include "edge.h"

/* An image with one of everything, laid out by hand. */
struct sample {
	struct lg_image head;
	struct lg_img_source source;
	struct lg_img_budget budget;
	struct lg_img_term term;
	struct lg_img_action soft, hard;
	struct lg_img_host host;
	struct lg_img_rule rule;
	struct lg_img_plain plain;
	struct lg_img_program program;
	struct lg_img_provider provider;
	struct lg_img_fallback fallback;
	struct lg_img_geo geo, price_geo;
	struct lg_img_matcher matcher;
	struct lg_img_name name;
	struct lg_img_price price;
	struct lg_img_clause clause;
	struct lg_img_atom atom;
	struct lg_img_tier tier;
	char text[16];
};

static struct sample img;

#define AT(member) ((uint32_t)offsetof(struct sample, member))
#define ONE(member) ((struct lg_img_span){AT(member), 1})

static void seal(void)
{
	img.head.crc = lg_crc32c(0, (char *)&img + sizeof(img.head),
				 sizeof(img) - sizeof(img.head));
}

static void build(void)
{
	struct lg_img_ref name = {AT(text), 5};

	memset(&img, 0, sizeof(img));
	memcpy(img.head.magic, LG_IMAGE_MAGIC, 8);
	img.head.version = LG_IMAGE_VERSION;
	img.head.header_size = sizeof(img.head);
	img.head.size = sizeof(img);
	memcpy(img.text, "month\0last byte", 16);
	img.head.settings.timezone = name;
	img.head.sources = ONE(source);
	img.head.budgets = ONE(budget);
	img.head.hosts = ONE(host);
	img.head.rules = ONE(rule);
	img.head.plain = ONE(plain);
	img.head.programs = ONE(program);
	img.head.providers = ONE(provider);
	img.head.prices = ONE(price);
	img.head.names = ONE(name);
	img.head.matchers = ONE(matcher);
	img.head.config_path = name;
	img.source.path = name;
	img.budget.name = name;
	img.budget.scope = name;
	img.budget.terms = ONE(term);
	img.budget.on_soft = ONE(soft);
	img.budget.on_hard = ONE(hard);
	img.budget.limit_pusd = 5;
	img.term.pattern = name;
	img.hard.arg = name;
	img.host.pattern = name;
	img.rule.match = name;
	img.plain.pattern = name;
	img.plain.bits = 128;
	img.program.pattern = name;
	img.provider.id = name;
	img.provider.fallbacks = ONE(fallback);
	img.fallback.id = name;
	img.fallback.geo = ONE(geo);
	img.geo.where = name;
	img.price_geo.where = name;
	img.matcher.atoms = ONE(atom);
	img.name.text = name;
	img.price.model = name;
	img.price.match = ONE(clause);
	img.price.tiers = ONE(tier);
	img.price.geo = ONE(price_geo);
	img.clause.atoms = ONE(atom);
	img.atom.text = name;
	seal();
}

static int check(void)
{
	struct edge e = edge_new(sizeof(img));
	int err;

	err = lg_image_check(edge_put(&e, &img, sizeof(img)), sizeof(img));
	edge_del(&e);
	return err;
}

static void test_sound(void **state)
{
	(void)state;
	_Static_assert(sizeof(struct sample) % 8 == 0, "flush with the page");
	build();
	assert_int_equal(check(), 0);
	assert_true(lg_slice_eq(lg_img_text(&img.head, img.budget.name),
				LG_SLICE("month")));
	/* a text may end with the image's last byte */
	img.budget.name = (struct lg_img_ref){AT(text) + 6, 9};
	seal();
	assert_int_equal(check(), 0);
}

static void test_head(void **state)
{
	struct edge e = edge_new(sizeof(img));

	(void)state;
	build();
	for (size_t n = 0; n < sizeof(img); n += 8)
		assert_int_equal(lg_image_check(edge_put(&e, &img, n), n),
				 -EPROTO);
	edge_del(&e);
	assert_int_equal(lg_image_check(NULL, 0), -EPROTO);
	assert_int_equal(lg_image_check((char *)&img + 1, sizeof(img)),
			 -EPROTO);
	img.head.version++;
	assert_int_equal(check(), -ENOTSUP);
	build();
	img.head.header_size -= 8;
	assert_int_equal(check(), -ENOTSUP);
	build();
	img.head.magic[0]++;
	assert_int_equal(check(), -EPROTO);
	build();
	img.head.size++;
	assert_int_equal(check(), -EPROTO);
	build();
	img.text[9]++;
	assert_int_equal(check(), -EPROTO);
}

/* Each ref of the sample in turn, pointed at a wrong place. */
static void test_refs(void **state)
{
	struct lg_img_ref *const refs[] = {
		&img.head.settings.timezone,
		&img.head.settings.price_version,
		&img.head.config_path,
		&img.source.path,
		&img.budget.name,
		&img.budget.scope,
		&img.term.pattern,
		&img.soft.arg,
		&img.hard.arg,
		&img.host.pattern,
		&img.host.dialect,
		&img.rule.match,
		&img.rule.host,
		&img.rule.pricing_id,
		&img.rule.price_version,
		&img.plain.pattern,
		&img.program.pattern,
		&img.provider.id,
		&img.price.provider,
		&img.price.model,
		&img.price.pricing_id,
		&img.price.price_version,
		&img.price.tier,
		&img.price.variant,
		&img.price.notes,
		&img.price.source,
		&img.atom.text,
		&img.price.operator,
		&img.fallback.id,
		&img.geo.where,
		&img.price_geo.where,
		&img.name.text,
	};
	const struct lg_img_ref wrong[] = {
		{0, 1},		    /* absent with a length */
		{8, 0},		    /* in the header */
		{AT(text), 4},	    /* no NUL behind it */
		{AT(text) + 6, 10}, /* NUL would be outside */
		{sizeof(img), 0},
		{sizeof(img) + 100, 0},
		{AT(text), UINT32_MAX},
		{UINT32_MAX, UINT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++)
		for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
			build();
			*refs[i] = wrong[k];
			seal();
			if (check() != -EPROTO)
				fail_msg("ref %zu, wrong %zu", i, k);
		}
}

static void test_spans(void **state)
{
	struct lg_img_span *const spans[] = {
		&img.head.sources, &img.head.budgets,	&img.head.hosts,
		&img.head.rules,   &img.head.providers, &img.head.prices,
		&img.budget.terms, &img.budget.on_soft, &img.budget.on_hard,
		&img.price.match,  &img.price.tiers,	&img.clause.atoms,
		&img.head.names,   &img.head.matchers,	&img.provider.fallbacks,
		&img.fallback.geo, &img.price.geo,	&img.matcher.atoms,
		&img.head.plain,   &img.head.programs,
	};
	const struct lg_img_span wrong[] = {
		{0, 1},
		{8, 1},
		{AT(text) - 4, 1},
		{AT(text) + 8, 1},
		{sizeof(img), 1},
		{sizeof(img) + 8, 0},
		{AT(source), UINT32_MAX},
		{UINT32_MAX - 7, 1},
		{UINT32_MAX - 7, UINT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
			build();
			*spans[i] = wrong[k];
			seal();
			if (check() != -EPROTO)
				fail_msg("span %zu, wrong %zu", i, k);
			*spans[i] = (struct lg_img_span){0, 0};
			seal();
			assert_int_equal(check(), 0);
		}
}

#define REFUSES(member, value)                                                 \
	do {                                                                   \
		build();                                                       \
		img.member = (value);                                          \
		seal();                                                        \
		assert_int_equal(check(), -EPROTO);                            \
	} while (0)

static void test_values(void **state)
{
	(void)state;
	REFUSES(head.settings.week_start, 7);
	REFUSES(head.settings.fail, 2);
	REFUSES(head.settings.unknown_model, 3);
	REFUSES(head.settings.http2, 3);
	REFUSES(head.settings.durability, 3);
	REFUSES(head.settings.stream_usage, 2);
	REFUSES(budget.period, LG_PERIOD_TOTAL + 1);
	REFUSES(budget.mode, 2);
	REFUSES(budget.source, 3);
	REFUSES(budget.warns, LG_WARN_MAX + 1);
	REFUSES(budget.limit_pusd, -1);
	REFUSES(budget.limit_pusd, INT64_MAX);
	REFUSES(term.key, LG_SCOPE_KEYS);
	REFUSES(soft.kind, LG_ACTION_STOP + 1);
	REFUSES(hard.kind, UINT32_MAX);
	REFUSES(atom.op, LG_MATCH_PATTERN + 1);
	REFUSES(provider.price, 2);
	REFUSES(provider.nprices, 2);
	REFUSES(provider.price, UINT32_MAX);
	REFUSES(provider.nprices, UINT32_MAX);
	REFUSES(provider.matcher, 2);
	REFUSES(provider.nmatchers, UINT32_MAX);
	REFUSES(price.tod_start_min, 1440);
	REFUSES(price.tod_end_min, 0xfffe);
}

/* Many entries that share one long span must not take long to check. */
static void test_work_is_bounded(void **state)
{
	enum { N = 20000 };
	size_t size = sizeof(struct lg_image) +
		      N * (sizeof(struct lg_img_clause) + 16);
	char *p = calloc(1, size);
	struct lg_image *h = (struct lg_image *)(void *)p;
	uint32_t atoms = sizeof(*h), prices;

	(void)state;
	build();
	*h = img.head;
	h->size = size;
	h->settings.timezone = h->config_path = (struct lg_img_ref){0, 0};
	h->sources = h->budgets = h->hosts = h->rules = h->providers =
		h->plain = h->programs = (struct lg_img_span){0, 0};
	prices = atoms + N / 2 * (uint32_t)sizeof(struct lg_img_atom);
	h->prices = (struct lg_img_span){
		prices,
		(uint32_t)((size - prices) / sizeof(struct lg_img_price))};
	for (uint32_t i = 0; i < h->prices.n; i++)
		((struct lg_img_price *)(void *)(p + prices))[i].match =
			(struct lg_img_span){atoms, N};
	h->crc = lg_crc32c(0, p + sizeof(*h), size - sizeof(*h));
	assert_int_equal(lg_image_check(p, size), -EPROTO);
	free(p);
}

/* Damage anywhere, sealed again: any answer, but no access outside. */
static void test_damage(void **state)
{
	uint64_t x = 88172645463325252;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		build();
		for (int k = 0; k < 3; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			((unsigned char *)&img)[x % sizeof(img)] =
				(unsigned char)(x >> 32);
		}
		seal();
		check();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_refs),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_work_is_bounded),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
