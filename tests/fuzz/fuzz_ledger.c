/*
 * Ledger files: whatever stands in one, the scan ends, calls back only for
 * rows whose crc is right, and finds the sound row that follows the garbage.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guard/adjust.h"
#include "ledger/field.h"
#include "ledger/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int on_row(void *ctx, struct lg_slice row, uint64_t after)
{
	static struct lg_row r;
	static char again[LG_ROW_LINE_MAX];
	struct lg_buf b;

	(void)after;
	if (!lg_row_check(row))
		abort();
	if (lg_row_parse(row, &r))
		return 0;
	if (!lg_row_is_sound(&r, sizeof(r)))
		abort();
	lg_buf_init_fixed(&b, again, sizeof(again));
	if (lg_row_format(&r, &b))
		abort();
	if (!strcmp(r.id, "THELAST"))
		++*(unsigned *)ctx;
	return 0;
}

/* Whatever a row says, its sums saturate. */
static void compute(struct lg_row *r)
{
	static struct lg_row is, adj, sum;
	struct lg_usage u;

	lg_row_usage(r, &u);
	is = *r;
	lg_adjust_apply(&is, r);
	lg_adjust_init(&adj, r);
	lg_adjust_diff(&adj, r, &is);
	lg_row_init(&sum);
	lg_adjust_merge(&sum, &adj);
	lg_adjust_merge(&sum, r);
	lg_row_set_usage(&is, &u);
}

/* Parsing must be safe for any text, so also where a crc came out right. */
static void parse_anyway(const uint8_t *data, size_t size)
{
	static struct lg_row r;
	char *line = malloc(size + LG_ROW_CRC_LEN);

	if (!line)
		return;
	memcpy(line, data, size);
	memset(line + size, 'x', LG_ROW_CRC_LEN);
	if (!lg_row_read((struct lg_slice){line, size + LG_ROW_CRC_LEN}, &r))
		compute(&r);
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char last[LG_ROW_LINE_MAX];
	static struct lg_row r;
	struct lg_ledger_stats st = {0};
	unsigned found = 0;
	uint64_t at = 0;
	struct lg_buf b;
	int fd;

	if (size > 2)
		parse_anyway(data, size);
	lg_row_init(&r);
	strcpy(r.id, "THELAST");
	lg_buf_init_fixed(&b, last, sizeof(last));
	lg_row_format(&r, &b);
	fd = memfd_create("ledger", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
	    write(fd, b.p, b.len) != (ssize_t)b.len)
		abort();
	if (lg_scan_file(fd, &at, UINT64_MAX, false, on_row, &found, &st) ||
	    !found || at != size + b.len)
		abort();
	close(fd);
	return 0;
}
