#include "config_help.h"

static void test_without_config(void **state)
{
	struct lg_buf out;
	const struct lg_image *img = compile_files(&out, NULL, NULL);

	(void)state;
	assert_int_equal(img->budgets.n, 0);
	assert_int_equal(img->settings.hold_max_bytes, 16u << 20);
	assert_int_equal(img->settings.durability, LG_DURABILITY_INTERVAL);
	assert_int_equal(img->settings.fail, LG_FAIL_OPEN);
	assert_int_equal(img->settings.unknown_model, LG_UNKNOWN_CEILING);
	assert_int_equal(img->config_path.off, 0);
	lg_buf_fini(&out);
}

static void test_shipped_file_is_the_defaults(void **state)
{
	struct lg_buf a, b;
	const struct lg_image *none = compile_files(&a, NULL, NULL);
	const struct lg_image *file =
		compile_files(&b, "conf/llmguard.yaml", NULL);

	(void)state;
	assert_memory_equal(&none->settings, &file->settings,
			    sizeof(none->settings));
	assert_int_equal(file->budgets.n + file->hosts.n + file->rules.n, 0);
	lg_buf_fini(&a);
	lg_buf_fini(&b);
}

static void test_every_setting(void **state)
{
	struct lg_buf out;
	const struct lg_image *img =
		compile_text(&out, "version: 1\n"
				   "guard: off\n"
				   "timezone: Europe/Berlin\n"
				   "week_start: sunday\n"
				   "fail: closed\n"
				   "unknown_model: block\n"
				   "http2: native\n"
				   "durability: each\n"
				   "stream_usage: inject\n"
				   "hold_max_bytes: 1048576\n"
				   "admit_wait_ms: 250\n"
				   "pricing: {version: \"2026-08\"}\n"
				   "hosts: {LLM.internal.example: openai, "
				   "\"*.g.example\": google}\n"
				   "models:\n"
				   "  - {match: \"ft:gpt-4o-*\", pricing_id: "
				   "openai/gpt-4o, fine_tuned: true, "
				   "price_version: \"2026-08\"}\n"
				   "  - {match: \"*\", host: \"*.example\", "
				   "free: true}\n");
	const struct lg_img_settings *s = &img->settings;
	const struct lg_img_host *h =
		LG_IMG_ARRAY(img, img->hosts, struct lg_img_host);
	const struct lg_img_rule *r =
		LG_IMG_ARRAY(img, img->rules, struct lg_img_rule);

	(void)state;
	assert_int_equal(s->disabled, 1);
	assert_string_equal(text(img, s->timezone), "Europe/Berlin");
	assert_int_equal(s->week_start, 6);
	assert_int_equal(s->fail, LG_FAIL_CLOSED);
	assert_int_equal(s->unknown_model, LG_UNKNOWN_BLOCK);
	assert_int_equal(s->http2, LG_HTTP2_NATIVE);
	assert_int_equal(s->durability, LG_DURABILITY_EACH);
	assert_int_equal(s->stream_usage, LG_STREAM_USAGE_INJECT);
	assert_int_equal(s->hold_max_bytes, 1048576);
	assert_int_equal(s->admit_wait_ms, 250);
	assert_string_equal(text(img, s->price_version), "2026-08");
	assert_int_equal(img->hosts.n, 2);
	assert_string_equal(text(img, h[1].dialect), "gemini");
	assert_string_equal(text(img, h->pattern), "llm.internal.example");
	assert_string_equal(text(img, h->dialect), "openai");
	assert_int_equal(img->rules.n, 2);
	assert_int_equal(r[0].fine_tuned, 1);
	assert_string_equal(text(img, r[0].pricing_id), "openai/gpt-4o");
	assert_int_equal(r[1].free, 1);
	assert_string_equal(text(img, r[1].host), "*.example");
	assert_string_equal(text(img, img->config_path), dir.config);
	lg_buf_fini(&out);
}

static void test_budgets(void **state)
{
	struct lg_buf out;
	const struct lg_image *img = compile_text(
		&out,
		"version: 1\n"
		"budgets:\n"
		"  - {name: month, scope: global, period: monthly, limit_usd: "
		"50, hard: true, warn_at: [1.0, 0.75, 0.9]}\n"
		"  - {name: gpt4o, scope: \" MODEL:gpt-4o* & project : x \", "
		"period: monthly, limit_usd: 10.000000000001, on_soft: "
		"{at: 0.8, action: warn}, on_hard: [{action: fallback, model: "
		"gpt-4o-mini}, block]}\n"
		"  - {name: everyone, scope: \"user:*\", each: true, period: "
		"daily, limit_usd: 0, mode: strict, max_keys: 7, until: "
		"2030-01-01}\n"
		"  - {name: all, period: total, limit_usd: 9000000}\n");
	const struct lg_img_budget *b = budget(img, "month");
	const struct lg_img_action *a;
	const struct lg_img_term *t;

	(void)state;
	assert_int_equal(img->budgets.n, 4);
	assert_string_equal(text(img, b->scope), "global");
	assert_int_equal(b->terms.n, 1);
	assert_int_equal(b->limit_pusd, INT64_C(50000000000000));
	assert_int_equal(b->warns, 3);
	assert_int_equal(b->warn_ppm[0], 750000);
	assert_int_equal(b->warn_ppm[2], 1000000);
	assert_int_equal(b->on_hard.n, 1);
	b = budget(img, "gpt4o");
	assert_string_equal(text(img, b->scope), "model:gpt-4o* & project:x");
	t = LG_IMG_ARRAY(img, b->terms, struct lg_img_term);
	assert_int_equal(t[0].key, LG_SCOPE_MODEL);
	assert_string_equal(text(img, t[1].pattern), "x");
	assert_int_equal(b->hard, 1);
	assert_int_equal(b->limit_pusd, INT64_C(10000000000001));
	assert_int_equal(b->soft_ppm, 800000);
	a = LG_IMG_ARRAY(img, b->on_hard, struct lg_img_action);
	assert_int_equal(a[0].kind, LG_ACTION_FALLBACK);
	assert_string_equal(text(img, a[0].arg), "gpt-4o-mini");
	assert_int_equal(a[1].kind, LG_ACTION_BLOCK);
	b = budget(img, "everyone");
	assert_int_equal(b->each, 1);
	assert_int_equal(b->hard, 0);
	assert_int_equal(b->max_keys, 7);
	assert_int_equal(b->mode, LG_MODE_STRICT);
	assert_int_equal(b->until_ms, INT64_C(1893456000000));
	b = budget(img, "all");
	assert_int_equal(b->warns, 3);
	assert_int_equal(b->soft_ppm, 800000);
	assert_int_equal(b->on_hard.n, 0);
	lg_buf_fini(&out);
}

#define B(rest) "version: 1\nbudgets:\n  - {" rest "}\n"
static const struct {
	const char *yaml, *want;
} bad[] = {
	{"version: 1\nplain_http: localhost\n", "must be a list"},
	{"version: 1\nplain_http: [\"http://localhost\"]\n", "a host"},
	{"version: 1\nplain_http: [\"h:0\"]\n", "a host"},
	{"version: 1\nplain_http: [\"h:65536\"]\n", "a host"},
	{"version: 1\nplain_http: [\":80\"]\n", "a host"},
	{"version: 1\nplain_http: [10.0.0.0/33]\n", "a host"},
	{"version: 1\nplain_http: [\"fd00::/129\"]\n", "a host"},
	{"version: 1\nplain_http: [\"[fd00::1\"]\n", "bad pattern"},
	{"version: 1\nplain_http: [\"h/24\"]\n", "a host"},
	{"version: 2\n", ":1: version: value \"2\": this llmguard reads"},
	{"version: 1\nfial: open\n", ":2: fial: unknown key; allowed: version"},
	{"fail: maybe\n", ":1: fail: value \"maybe\": allowed: open closed"},
	{"fail: [open]\n", ":1: fail: value \"[...]\": allowed: open closed"},
	{"week_start: 1\n", "week_start: value \"1\": allowed: monday"},
	{"http2: yes\n", "http2: value \"yes\": allowed: auto native off"},
	{"hold_max_bytes: -1\n",
	 "hold_max_bytes: value \"-1\": allowed: a whole"},
	{"admit_wait_ms: 99999999999999999999\n", "allowed: a whole number"},
	{"timezone: Europe/Nowhere\n", "no such time zone"},
	{"timezone: ../../etc/passwd\n", "allowed: an IANA time zone"},
	{"timezone: /etc/passwd\n", "allowed: an IANA time zone"},
	{"timezone: Europe\n", "no such time zone"},
	{"- a\n- b\n", "must be a map"},
	{"just text\n", "must be a map"},
	{"version: 1\nversion: 1\n", ":2: version: given twice"},
	{"a: &x [1]\nb: *x\n", "anchors"},
	{"b: *x\n", "aliases"},
	{"b: !!binary x\n", "tags"},
	{"? [a]\n: b\n", "a key that is not plain text"},
	{"a: [1, 2\n", ":2: "},
	{"a: \"\\0\"\n", "NUL"},
	{"version: 1\n---\nversion: 1\n", "second document"},
	{"\tversion: 1\n", ":1: "},
	{"hosts: {a.example: gemeni}\n",
	 "allowed: openai anthropic gemini google"},
	{"hosts: {\"https://a.example\": openai}\n", "without scheme"},
	{"hosts: [a]\n", "must be a map of hosts"},
	{"models: [{free: true}]\n", "needs match"},
	{"models: [{match: x, free: true, pricing_id: a/b}]\n", "exclude"},
	{"models: [{match: x, pricing_id: gpt-4o}]\n", "provider/model"},
	{"models: [{match: \"[ab]\"}]\n", "bad pattern"},
	{"pricing: {files: [no-such.yaml]}\n",
	 ":1: files: value \"no-such.yaml\": no such price file"},
	{B("name: a, period: daily"),
	 ":3: limit_usd: value \"a\": this budget"},
	{B("name: a, limit_usd: 1"), "period: value \"a\": this budget lacks"},
	{B("period: daily, limit_usd: 1"), "name: this budget lacks the key"},
	{B("name: a, period: dialy, limit_usd: 1"),
	 ":3: period: value \"dialy\": allowed: run hourly daily"},
	{B("name: a, period: daily, limit_usd: -1"),
	 ":3: limit_usd: value \"-1\": allowed: US dollars, 0 to 9000000"},
	{B("name: a, period: daily, limit_usd: 1e30"), "value \"1e30\""},
	{B("name: a, period: daily, limit_usd: .nan"), "value \".nan\""},
	{B("name: a, period: daily, limit_usd: nan"), "value \"nan\""},
	{B("name: a, period: daily, limit_usd: .inf"), "value \".inf\""},
	{B("name: a, period: daily, limit_usd: 9000000.01"), "0 to 9000000"},
	{B("name: a, period: daily, limit_usd: 0x10"), "0 to 9000000"},
	{B("name: a, period: daily, limit_usd: [1]"), "0 to 9000000"},
	{B("name: a, period: daily, limit_usd: 1, hard: 2"), "false true"},
	{B("name: a, period: daily, limit_usd: 1, warn_at: [0]"), "a ratio"},
	{B("name: a, period: daily, limit_usd: 1, warn_at: -1"), "a ratio"},
	{B("name: a, period: daily, limit_usd: 1, warn_at: "
	   "[.1,.2,.3,.4,.5,.6,.7,.8,.9]"),
	 "more than 8"},
	{B("name: a, period: daily, limit_usd: 1, scope: \"mdel:x\""),
	 "scope: value \"mdel:x\": allowed: global, or key:value"},
	{B("name: a, period: daily, limit_usd: 1, scope: \"user:\""),
	 "the pattern is empty"},
	{B("name: a, period: daily, limit_usd: 1, scope: \"user:[x]\""),
	 "bad pattern"},
	{B("name: a, period: daily, limit_usd: 1, scope: \"a:x & \""),
	 "allowed: global"},
	{B("name: a, period: daily, limit_usd: 1, scope: \"phase:tune\""),
	 "infer train"},
	{B("name: a, period: daily, limit_usd: 1, scope: \"uid:root\""),
	 "a number"},
	{B("name: a, period: daily, limit_usd: 1, each: true"),
	 "needs a scope with *"},
	{B("name: a, period: daily, limit_usd: 1, mode: lax"),
	 "allowed: adaptive strict"},
	{B("name: a, period: daily, limit_usd: 1, on_hard: explode"),
	 "allowed: block warn"},
	{B("name: a, period: daily, limit_usd: 1, on_hard: fallback"),
	 "needs a model"},
	{B("name: a, period: daily, limit_usd: 1, on_hard: {model: x}"),
	 "needs an action"},
	{B("name: a, period: daily, limit_usd: 1, on_hard: {action: clamp, "
	   "max_delay_ms: 5}"),
	 "max_delay_ms belongs to throttle alone"},
	{B("name: a, period: daily, limit_usd: 1, on_hard: {action: warn, "
	   "min_output_tokens: 5}"),
	 "min_output_tokens belongs to clamp alone"},
	{B("name: a, period: daily, limit_usd: 1, on_soft: block"),
	 "on_hard alone"},
	{B("name: a, period: daily, limit_usd: 1, on_hard: {fallback: [a, b, "
	   "c, d, e, f, g, h, i]}"),
	 "more than 8"},
	{B("name: a, period: daily, limit_usd: 1, on_hard: {fallback: a, "
	   "model: b}"),
	 "one of them"},
	{B("name: a, scope: \"provider:anthropic\", period: daily, limit_usd: "
	   "1, on_hard: {fallback: gpt-4o-mini}"),
	 "this provider does not have the model"},
	{B("name: a, period: daily, limit_usd: 1, on_hard: []"),
	 "at least one"},
	{B("name: a, period: daily, limit_usd: 1, until: tomorrow"),
	 "allowed: a date"},
	{B("name: a, period: daily, limit_usd: 1, until: 2026-02-29"),
	 "allowed: a date"},
	{B("name: a, period: daily, limit_usd: 1, op: rm"), "op: unknown key"},
	{B("name: a, period: daily, limit_usd: 1") "  - {name: a, period: "
						   "daily, limit_usd: 2}\n",
	 ":4: name: value \"a\": another budget has this name"},
	{B("name: \"a\\nb\", period: daily, limit_usd: 1"), "control"},
};

static const struct lg_img_plain *entry(const struct lg_image *img, uint32_t i)
{
	assert_in_range(i, 0, img->plain.n - 1);
	return &LG_IMG_ARRAY(img, img->plain, struct lg_img_plain)[i];
}

static void test_plain_http(void **state)
{
	static const uint8_t ten[16] = {[10] = 0xff, 0xff, 10};
	static const uint8_t six[16] = {0xfd, [15] = 1};
	struct lg_buf out;
	const struct lg_image *img = compile_text(
		&out, "version: 1\nplain_http: [\"LocalHost:11434\", "
		      "\"*.models.internal\", 10.0.0.0/8, \"10.0.0.0/9:80\", "
		      "\"fd00::1\", \"[fd00::1]:8000\", \"[fd00::/16]:9\", "
		      "127.0.0.1]\n");

	(void)state;
	assert_int_equal(img->plain.n, 10);
	assert_string_equal(text(img, entry(img, 0)->pattern), "localhost");
	assert_int_equal(entry(img, 0)->port, 11434);
	assert_int_equal(entry(img, 1)->bits, 104);
	assert_int_equal(entry(img, 1)->addr[12], 127);
	assert_int_equal(entry(img, 1)->port, 11434);
	assert_int_equal(entry(img, 2)->bits, 128);
	assert_int_equal(entry(img, 2)->addr[15], 1);
	assert_string_equal(text(img, entry(img, 3)->pattern),
			    "*.models.internal");
	assert_int_equal(entry(img, 3)->port, 0);
	assert_memory_equal(entry(img, 4)->addr, ten, 16);
	assert_int_equal(entry(img, 4)->bits, 104);
	assert_int_equal(entry(img, 5)->bits, 105);
	assert_int_equal(entry(img, 5)->port, 80);
	assert_memory_equal(entry(img, 6)->addr, six, 16);
	assert_int_equal(entry(img, 6)->port, 0);
	assert_int_equal(entry(img, 7)->port, 8000);
	assert_int_equal(entry(img, 8)->bits, 16);
	assert_int_equal(entry(img, 9)->bits, 128);
	lg_buf_fini(&out);
}

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *e = compile_error(bad[i].yaml, strlen(bad[i].yaml));

		if (!strstr(e, bad[i].want) ||
		    strncmp(e, dir.config, strlen(dir.config)))
			fail_msg("%s\nsays: %s\nwant: %s", bad[i].yaml, e,
				 bad[i].want);
	}
}

static void test_hostile_files(void **state)
{
	enum { BIG = 5 << 20 };
	char *p = malloc(BIG);
	struct lg_config_paths paths = {.config = dir.path};
	struct lg_config_error err;
	struct lg_buf out;

	(void)state;
	memset(p, '[', BIG);
	assert_non_null(strstr(compile_error(p, 100000), "nested deeper"));
	assert_non_null(strstr(compile_error(p, BIG), "larger than 4 MiB"));
	memset(p, 0, BIG);
	assert_non_null(strstr(compile_error(p, 100), ":1: "));
	memset(p, 0xff, BIG);
	assert_non_null(strstr(compile_error(p, 1000), ":1: "));
	for (size_t i = 0; i < (3 << 20); i += 2)
		memcpy(p + i, "- ", 2);
	assert_non_null(strstr(compile_error(p, 3 << 20), "nested deeper"));
	for (size_t i = 0; i < (2 << 20); i += 4)
		memcpy(p + i, "- a\n", 4);
	assert_non_null(strstr(compile_error(p, 2 << 20), "too many values"));
	free(p);
	lg_buf_init(&out, 0);
	assert_int_equal(lg_config_compile(&paths, &out, &err), -EISDIR);
	assert_non_null(strstr(err.text, "is a directory"));
	unlink(dir.config);
	paths.config = dir.config;
	assert_int_equal(lg_config_compile(&paths, &out, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no such file"));
	assert_int_equal(mkfifo(dir.config, 0600), 0);
	assert_int_equal(lg_config_compile(&paths, &out, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not a regular file"));
	unlink(dir.config);
	put_text(dir.config, "version: 1\n");
	if (geteuid() != 0) {
		chmod(dir.config, 0);
		assert_int_equal(lg_config_compile(&paths, &out, &err),
				 -EACCES);
		assert_non_null(strstr(err.text, "may not be read"));
		unlink(dir.config);
	}
	lg_buf_fini(&out);
}

static void test_empty_is_nothing(void **state)
{
	struct lg_buf out;

	(void)state;
	assert_non_null(strstr(compile_error("", 0), "is empty"));
	compile_text(&out, "\n");
	lg_buf_fini(&out);
	compile_text(&out, "# nothing\n---\n...\n");
	lg_buf_fini(&out);
	compile_text(&out, "version: 1\nbudgets:\nhosts: ~\nmodels: null\n");
	lg_buf_fini(&out);
}

/* Each cut of a good file compiles or is an error; the image is sound. */
static void test_cut_anywhere(void **state)
{
	static const char yaml[] =
		"version: 1\ntimezone: UTC\nhosts: {a.example: openai}\n"
		"models: [{match: \"*\", free: true}]\n"
		"budgets:\n- {name: a, scope: \"user:* & model:x\", each: "
		"true, period: daily, limit_usd: 1.5, warn_at: [0.5]}\n";
	struct lg_config_paths paths = {.config = dir.config};
	struct lg_config_error err;
	struct lg_buf out;

	(void)state;
	for (size_t n = 0; n < sizeof(yaml); n++) {
		put_file(dir.config, yaml, n);
		lg_buf_init(&out, 0);
		if (lg_config_compile(&paths, &out, &err))
			assert_true(err.text[0]);
		else
			assert_int_equal(lg_image_check(out.p, out.len), 0);
		lg_buf_fini(&out);
	}
}

static void test_fresh_and_write(void **state)
{
	char path[128];
	struct lg_config_paths paths = {.config = dir.config, .live = dir.live};
	struct lg_buf out;
	const struct lg_image *img;
	struct stat st;

	(void)state;
	unlink(dir.live);
	put_text(dir.prices, "provider: x\nprices: [{model: a, input_per_1m: "
			     "1}]\n");
	put_text(dir.config, "pricing: {files: [prices.yaml]}\n");
	img = compile_files(&out, dir.config, dir.live);
	assert_int_equal(img->prices.n, 1);
	assert_true(lg_config_is_fresh(img, &paths));
	put_text(dir.live, "\n");
	assert_false(lg_config_is_fresh(img, &paths));
	unlink(dir.live);
	assert_true(lg_config_is_fresh(img, &paths));
	set_mtime(dir.prices, 1);
	assert_false(lg_config_is_fresh(img, &paths));
	paths.config = NULL;
	assert_false(lg_config_is_fresh(img, &paths));
	snprintf(path, sizeof(path), "%s/x.bin", dir.path);
	assert_int_equal(lg_config_write_image(path, &out), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, out.len);
	snprintf(path, sizeof(path), "%s/none/x.bin", dir.path);
	assert_int_equal(lg_config_write_image(path, &out), -ENOENT);
	lg_buf_fini(&out);
}

static void test_directory_of_prices(void **state)
{
	char sub[96], a[128], b[128], other[128];
	struct lg_config_paths paths = {.pricing_dir = sub};
	struct lg_config_error err;
	const struct lg_img_price *e;
	const struct lg_image *img;
	struct lg_buf out;

	(void)state;
	snprintf(sub, sizeof(sub), "%s/pricing", dir.path);
	snprintf(a, sizeof(a), "%s/a.yaml", sub);
	snprintf(b, sizeof(b), "%s/b.yaml", sub);
	snprintf(other, sizeof(other), "%s/c.txt", sub);
	lg_buf_init(&out, 0);
	assert_int_equal(lg_config_compile(&paths, &out, &err), 0);
	img = (const struct lg_image *)(const void *)out.p;
	assert_true(lg_config_is_fresh(img, &paths));
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_false(lg_config_is_fresh(img, &paths));
	put_text(b, "provider: p\nprices: [{model: b, input_per_1m: 1}]\n");
	put_text(a, "provider: p\nprices: [{model: a, input_per_1m: 1}]\n");
	put_text(other, "not yaml: [\n");
	assert_int_equal(lg_config_compile(&paths, &out, &err), 0);
	assert_int_equal(lg_image_check(out.p, out.len), 0);
	img = (const struct lg_image *)(const void *)out.p;
	e = LG_IMG_ARRAY(img, img->prices, struct lg_img_price);
	assert_int_equal(img->prices.n, 2);
	assert_string_equal(text(img, e[0].model), "a");
	assert_true(lg_config_is_fresh(img, &paths));
	set_mtime(b, 1);
	assert_false(lg_config_is_fresh(img, &paths));
	put_text(b, "prices: [{model: b}]\n");
	assert_int_equal(lg_config_compile(&paths, &out, &err), -EINVAL);
	assert_int_equal(strncmp(err.text, b, strlen(b)), 0);
	lg_buf_fini(&out);
}

static void test_paths(void **state)
{
	char p[256];

	(void)state;
	setenv("LLMGUARD_CONFIG", "/x/y.yaml", 1);
	lg_config_find(p, sizeof(p));
	assert_string_equal(p, "/x/y.yaml");
	unsetenv("LLMGUARD_CONFIG");
	setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
	lg_config_find(p, sizeof(p));
	assert_true(!p[0] || !strcmp(p, "/etc/llmguard/llmguard.yaml"));
	setenv("LLMGUARD_STATE_DIR", "/s", 1);
	assert_int_equal(lg_config_state_dir(p, sizeof(p)), 0);
	assert_string_equal(p, "/s");
	assert_int_equal(lg_config_state_dir(p, 2), -ENAMETOOLONG);
	unsetenv("LLMGUARD_STATE_DIR");
	setenv("XDG_STATE_HOME", "/state", 1);
	assert_int_equal(lg_config_state_dir(p, sizeof(p)), 0);
	assert_string_equal(p, geteuid() ? "/state/llmguard"
					 : "/var/lib/llmguard");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_config),
		cmocka_unit_test(test_shipped_file_is_the_defaults),
		cmocka_unit_test(test_every_setting),
		cmocka_unit_test(test_budgets),
		cmocka_unit_test(test_plain_http),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_hostile_files),
		cmocka_unit_test(test_empty_is_nothing),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_fresh_and_write),
		cmocka_unit_test(test_directory_of_prices),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
