#include "base/buf.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/money.h"

#define FIRST_CAP 256

void lg_buf_init(struct lg_buf *b, size_t max)
{
	*b = (struct lg_buf){.max = max};
}

void lg_buf_init_fixed(struct lg_buf *b, char *storage, size_t cap)
{
	*b = (struct lg_buf){
		.p = storage, .cap = cap, .max = cap, .fixed = true};
}

void lg_buf_fini(struct lg_buf *b)
{
	if (b->fixed) {
		b->len = 0;
		b->overflow = false;
		return;
	}
	if (b->p)
		lg_mem_free(b->p, b->cap);
	lg_buf_init(b, b->max);
}

static int grow(struct lg_buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : FIRST_CAP;
	void *p;

	if (b->fixed || need > b->max)
		return -EMSGSIZE;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (cap > b->max)
		cap = b->max;
	p = b->p ? lg_mem_grow(b->p, b->cap, cap) : lg_mem_alloc(cap);
	if (!p)
		return -ENOMEM;
	b->p = p;
	b->cap = cap;
	return 0;
}

int lg_buf_reserve(struct lg_buf *b, size_t n)
{
	if (n <= b->cap - b->len)
		return 0;
	if (n > SIZE_MAX - b->len)
		return -EMSGSIZE;
	return grow(b, b->len + n);
}

int lg_buf_put_grow(struct lg_buf *b, const void *p, size_t n)
{
	int err = lg_buf_reserve(b, n);

	if (err) {
		b->overflow = true;
		return err;
	}
	memcpy(b->p + b->len, p, n);
	b->len += n;
	return 0;
}

static const char pairs[] =
	"0001020304050607080910111213141516171819202122232425262728293031323334"
	"3536373839404142434445464748495051525354555657585960616263646566676869"
	"707172737475767778798081828384858687888990919293949596979899";

static size_t format_u64(uint64_t v, char end[static 20])
{
	size_t n = 20;

	while (v >= 100) {
		n -= 2;
		memcpy(end + n, pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10) {
		n -= 2;
		memcpy(end + n, pairs + v * 2, 2);
	} else {
		end[--n] = (char)('0' + v);
	}
	return n;
}

int lg_buf_put_u64(struct lg_buf *b, uint64_t v)
{
	char tmp[20];
	size_t at = format_u64(v, tmp);

	return lg_buf_put(b, tmp + at, sizeof(tmp) - at);
}

int lg_buf_put_hex(struct lg_buf *b, uint64_t v)
{
	char text[16];
	size_t at = sizeof(text);

	do {
		text[--at] = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v);
	return lg_buf_put(b, text + at, sizeof(text) - at);
}

int lg_buf_put_i64(struct lg_buf *b, int64_t v)
{
	char tmp[21];
	size_t at;

	if (v >= 0)
		return lg_buf_put_u64(b, (uint64_t)v);
	at = format_u64(0 - (uint64_t)v, tmp + 1);
	tmp[at] = '-';
	return lg_buf_put(b, tmp + at, sizeof(tmp) - at);
}

int lg_buf_put_money(struct lg_buf *b, int64_t pusd)
{
	char tmp[LG_MONEY_TEXT];

	return lg_buf_put(b, tmp, lg_money_print(pusd, tmp));
}

/* 0: as it stands; 1: not ASCII; else what follows the backslash. */
static const char escape[256] = {
	[0 ... 7] = 'u', ['\b'] = 'b', ['\t'] = 't', [10] = 'n',
	[11] = 'u',	 [12] = 'f',   [13] = 'r',   [14 ... 31] = 'u',
	['"'] = '"',	 [92] = 92,    [0x7f] = 'u', [128 ... 255] = 1,
};

static int put_escaped(struct lg_buf *b, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char tmp[6] = {'\\', escape[c], '0', '0', hex[c >> 4], hex[c & 15]};

	return lg_buf_put(b, tmp, tmp[1] == 'u' ? 6 : 2);
}

/* How far all bytes stand as they are, from `at` on. */
static size_t plain_run(const unsigned char *p, size_t n, size_t at)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t w, quote, slash, odd;

	for (; n - at >= 8; at += 8) {
		memcpy(&w, p + at, 8);
		quote = w ^ ones * '"';
		slash = w ^ ones * '\\';
		odd = (quote - ones) | (slash - ones) | (w - ones * 0x20) |
		      (w + ones) | w;
		if (odd & ones * 0x80)
			break;
	}
	while (at < n && !escape[p[at]])
		at++;
	return at;
}

static int put_json_inner(struct lg_buf *b, const unsigned char *p, size_t n)
{
	size_t run = 0, seq;
	int err = 0;

	while (n && !err) {
		run = plain_run(p, n, run);
		seq = 0;
		if (run < n && escape[p[run]] == 1)
			seq = lg_utf8_len(p + run, n - run);
		if (seq) {
			run += seq;
			if (run < n)
				continue;
		}
		err = lg_buf_put(b, p, run);
		p += run;
		n -= run;
		run = 0;
		if (err || !n)
			break;
		if (escape[p[0]] == 1)
			err = lg_buf_put(b, "\xef\xbf\xbd", 3);
		else
			err = put_escaped(b, p[0]);
		p++;
		n--;
	}
	return err;
}

int lg_buf_put_json(struct lg_buf *b, struct lg_slice s)
{
	size_t start = b->len;
	int err = lg_buf_putc(b, '"');

	if (!err)
		err = put_json_inner(b, (const unsigned char *)s.p, s.len);
	if (!err)
		err = lg_buf_putc(b, '"');
	if (err)
		b->len = start;
	return err;
}

/* Days since the epoch to a civil date (proleptic Gregorian). */
static void civil(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	unsigned doe = (unsigned)(z - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = (int64_t)yoe + era * 400 + (*month <= 2);
}

static void two(char *at, unsigned v)
{
	memcpy(at, pairs + v % 100 * 2, 2);
}

int lg_buf_put_time(struct lg_buf *b, int64_t unix_ms)
{
	const int64_t last = INT64_C(253402300799999); /* end of year 9999 */
	char t[24] = "0000-00-00T00:00:00.000Z";
	int64_t year;
	unsigned month, day, ms, sec;

	unix_ms = unix_ms < 0 ? 0 : unix_ms > last ? last : unix_ms;
	civil(unix_ms / 86400000, &year, &month, &day);
	ms = (unsigned)(unix_ms % 86400000);
	sec = ms / 1000;
	two(t, (unsigned)year / 100);
	two(t + 2, (unsigned)year % 100);
	two(t + 5, month);
	two(t + 8, day);
	two(t + 11, sec / 3600);
	two(t + 14, sec / 60 % 60);
	two(t + 17, sec % 60);
	t[20] = (char)('0' + ms % 1000 / 100);
	two(t + 21, ms % 100);
	return lg_buf_put(b, t, sizeof(t));
}

void lg_buf_drop(struct lg_buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->p, b->p + n, b->len - n);
	b->len -= n;
}

void lg_buf_shrink(struct lg_buf *b, size_t keep)
{
	if (b->len || b->fixed || b->cap <= keep)
		return;
	if (b->p)
		lg_mem_free(b->p, b->cap);
	b->p = NULL;
	b->cap = 0;
}
