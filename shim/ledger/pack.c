#include "ledger/pack.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include "base/mem.h"

#define WINDOW_LOG_MAX 24
#define BUFFER ((size_t)64 << 10)
/* Before each block of the library's: its size. */
#define BLOCK_HEAD 16
/* RFC 8878 3.1.1 */
#define HEAD_MAX 18
#define BLOCK_MARK 3
#define CHECKSUM 4

struct lg_pack {
	int fd;
	ZSTD_DCtx *d;
	off_t at; /* in the file */
	ZSTD_inBuffer in;
	bool in_frame;
	char buf[BUFFER];
};

static void *take(void *opaque, size_t size)
{
	size_t n;
	char *p;

	(void)opaque;
	if (__builtin_add_overflow(size, (size_t)BLOCK_HEAD, &n))
		return NULL;
	p = lg_mem_take(n);
	if (!p)
		return NULL;
	*(size_t *)(void *)p = n;
	return p + BLOCK_HEAD;
}

static void give(void *opaque, void *block)
{
	char *p = block;

	(void)opaque;
	if (p)
		lg_mem_free(p - BLOCK_HEAD,
			    *(size_t *)(void *)(p - BLOCK_HEAD));
}

static ssize_t read_at(int fd, void *buf, size_t n, off_t at)
{
	ssize_t got;

	do
		got = pread(fd, buf, n, at);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

bool lg_pack_is(int fd)
{
	static const unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd};
	unsigned char head[4];

	return read_at(fd, head, 4, 0) == 4 && !memcmp(head, magic, 4);
}

int lg_pack_open(int fd, struct lg_pack **out)
{
	const ZSTD_customMem mem = {take, give, NULL};
	struct lg_pack *p = lg_mem_take(sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->d = ZSTD_createDCtx_advanced(mem);
	if (!p->d) {
		lg_mem_free(p, sizeof(*p));
		return -ENOMEM;
	}
	ZSTD_DCtx_setParameter(p->d, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	p->fd = fd;
	p->at = 0;
	p->in = (ZSTD_inBuffer){p->buf, 0, 0};
	p->in_frame = false;
	*out = p;
	return 0;
}

void lg_pack_close(struct lg_pack *p)
{
	if (!p)
		return;
	ZSTD_freeDCtx(p->d);
	lg_mem_free(p, sizeof(*p));
}

/* More of the file. 0: its end. */
static ssize_t refill(struct lg_pack *p)
{
	ssize_t got = read_at(p->fd, p->buf, BUFFER, p->at);

	if (got > 0) {
		p->at += got;
		p->in.size = (size_t)got;
		p->in.pos = 0;
	}
	return got;
}

ssize_t lg_pack_read(struct lg_pack *p, void *buf, size_t n)
{
	ZSTD_outBuffer out = {buf, n, 0};
	size_t left;
	ssize_t got;

	while (!out.pos) {
		if (p->in.pos == p->in.size) {
			got = refill(p);
			if (got < 0)
				return got;
			if (!got)
				return p->in_frame ? -EPROTO : 0;
		}
		left = ZSTD_decompressStream(p->d, &out, &p->in);
		if (ZSTD_isError(left))
			return ZSTD_getErrorCode(left) ==
					       ZSTD_error_memory_allocation
				       ? -ENOMEM
				       : -EPROTO;
		p->in_frame = left != 0;
	}
	return (ssize_t)out.pos;
}

/* -- its size ---------------------------------------------------------------
 */

/* Where the frame ends, by the heads of its blocks; -EPROTO: not sound. */
static off_t frame_end(int fd, const ZSTD_frameHeader *h)
{
	off_t at = (off_t)h->headerSize;
	unsigned char b[BLOCK_MARK];
	uint32_t mark;

	do {
		if (read_at(fd, b, sizeof(b), at) != (ssize_t)sizeof(b))
			return -EPROTO;
		mark = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16;
		/* a run of one byte (type 1) has that byte alone */
		at += BLOCK_MARK +
		      ((mark >> 1 & 3) == 1 ? 1 : (off_t)(mark >> 3));
	} while (!(mark & 1));
	return at + (h->checksumFlag ? CHECKSUM : 0);
}

/* One frame that says its size and fills the file. */
static bool is_told(int fd, uint64_t *size)
{
	char head[HEAD_MAX];
	ssize_t got = read_at(fd, head, sizeof(head), 0);
	ZSTD_frameHeader h;

	if (got <= 0 || ZSTD_getFrameHeader(&h, head, (size_t)got) ||
	    h.frameType != ZSTD_frame ||
	    h.frameContentSize == ZSTD_CONTENTSIZE_UNKNOWN ||
	    frame_end(fd, &h) != lseek(fd, 0, SEEK_END))
		return false;
	*size = h.frameContentSize;
	return true;
}

static int count(int fd, uint64_t *size)
{
	struct lg_pack *p;
	char *buf;
	ssize_t got = lg_pack_open(fd, &p);

	if (got)
		return (int)got;
	buf = lg_mem_take(BUFFER);
	*size = 0;
	got = -ENOMEM;
	while (buf && (got = lg_pack_read(p, buf, BUFFER)) > 0)
		*size += (uint64_t)got;
	lg_mem_free(buf, buf ? BUFFER : 0);
	lg_pack_close(p);
	return (int)got;
}

int lg_pack_size(int fd, uint64_t *size)
{
	return is_told(fd, size) ? 0 : count(fd, size);
}
