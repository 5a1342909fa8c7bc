#include "ledger/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h> /* rename */
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ledger/month.h"

#define MAGIC "LLMGCKP"
#define VERSION 1u
#define CELLS_MAX (1u << 20)
#define FILE_NAME "/checkpoint.bin"

struct header {
	char magic[8];
	uint32_t version;
	uint32_t cell_size;
	uint32_t n;
	uint32_t crc; /* of pos and cells */
	struct lg_ledger_pos pos;
};

void lg_fold_init(struct lg_fold *f)
{
	memset(f, 0, sizeof(*f));
}

void lg_fold_fini(struct lg_fold *f)
{
	lg_mem_free(f->cells, f->cap * sizeof(*f->cells));
	lg_mem_free(f->index, f->nindex * sizeof(*f->index));
	lg_fold_init(f);
}

static unsigned place(const struct lg_fold *f, struct lg_hash128 id,
		      uint32_t window)
{
	unsigned mask = f->nindex - 1;
	unsigned i = ((unsigned)id.a ^ window * 2654435761u) & mask;
	const struct lg_fold_cell *c;

	for (; f->index[i]; i = (i + 1) & mask) {
		c = &f->cells[f->index[i] - 1];
		if (c->id.a == id.a && c->id.b == id.b && c->window == window)
			break;
	}
	return i;
}

static int grow(struct lg_fold *f)
{
	unsigned cap = f->cap ? f->cap * 2 : 64, i;
	uint32_t *index;
	void *cells;

	if (cap > CELLS_MAX)
		return -ENOMEM;
	index = lg_mem_alloc(cap * 2 * sizeof(*index));
	if (!index)
		return -ENOMEM;
	cells = f->cap ? lg_mem_grow(f->cells, f->cap * sizeof(*f->cells),
				     cap * sizeof(*f->cells))
		       : lg_mem_alloc(cap * sizeof(*f->cells));
	if (!cells) {
		lg_mem_free(index, cap * 2 * sizeof(*index));
		return -ENOMEM;
	}
	lg_mem_free(f->index, f->nindex * sizeof(*index));
	f->cells = cells;
	f->cap = cap;
	f->index = index;
	f->nindex = cap * 2;
	for (i = 0; i < f->n; i++)
		index[place(f, f->cells[i].id, f->cells[i].window)] = i + 1;
	return 0;
}

struct lg_fold_cell *lg_fold_cell(struct lg_fold *f, struct lg_hash128 id,
				  uint32_t window)
{
	struct lg_fold_cell *c;
	unsigned i;

	if (f->nindex) {
		i = place(f, id, window);
		if (f->index[i])
			return &f->cells[f->index[i] - 1];
	}
	if (f->n == f->cap && grow(f))
		return NULL;
	c = &f->cells[f->n++];
	memset(c, 0, sizeof(*c));
	c->id = id;
	c->window = window;
	f->index[place(f, id, window)] = f->n;
	return c;
}

static uint32_t checksum(const struct header *h, const void *cells)
{
	uint32_t crc = lg_crc32c(0, &h->pos, sizeof(h->pos));

	return lg_crc32c(crc, cells, (size_t)h->n * h->cell_size);
}

static int path_of(const char *state_dir, const char *name, char *out,
		   size_t cap)
{
	size_t n = strlen(state_dir), m = strlen(name);

	if (n + m >= cap)
		return -ENAMETOOLONG;
	memcpy(out, state_dir, n);
	memcpy(out + n, name, m + 1);
	return 0;
}

static int read_all(int fd, void *p, size_t len)
{
	ssize_t n;

	while (len) {
		n = read(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EPROTO;
		p = (char *)p + n;
		len -= (size_t)n;
	}
	return 0;
}

static bool header_ok(const struct header *h, uint64_t size)
{
	return !memcmp(h->magic, MAGIC, sizeof(h->magic)) &&
	       h->version == VERSION &&
	       h->cell_size == sizeof(struct lg_fold_cell) &&
	       h->n <= CELLS_MAX &&
	       size == sizeof(*h) + (uint64_t)h->n * h->cell_size &&
	       memchr(h->pos.file, 0, sizeof(h->pos.file)) &&
	       (!h->pos.file[0] || lg_month_is_name(h->pos.file));
}

static int load(int fd, struct lg_fold *f)
{
	struct lg_fold_cell *cells = NULL, *c;
	struct header h;
	struct stat st;
	size_t size;
	unsigned i;
	int err;

	if (fstat(fd, &st))
		return -errno;
	err = S_ISREG(st.st_mode) ? read_all(fd, &h, sizeof(h)) : -EPROTO;
	if (err)
		return err;
	if (!header_ok(&h, (uint64_t)st.st_size))
		return -EPROTO;
	size = (size_t)h.n * sizeof(*cells);
	if (size) {
		cells = lg_mem_alloc(size);
		if (!cells)
			return -ENOMEM;
	}
	err = read_all(fd, cells, size);
	if (!err && checksum(&h, cells) != h.crc)
		err = -EPROTO;
	for (i = 0; !err && i < h.n; i++) {
		c = lg_fold_cell(f, cells[i].id, cells[i].window);
		if (c)
			*c = cells[i];
		else
			err = -ENOMEM;
	}
	f->pos = h.pos;
	lg_mem_free(cells, size);
	return err;
}

int lg_checkpoint_load(const char *state_dir, struct lg_fold *f)
{
	int saved = errno, err, fd;
	char path[512];

	err = path_of(state_dir, FILE_NAME, path, sizeof(path));
	if (err)
		return err;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	err = fd < 0 ? -errno : load(fd, f);
	if (fd >= 0)
		close(fd);
	if (err)
		lg_fold_fini(f);
	errno = saved;
	return err;
}

static int write_all(int fd, const void *p, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p = (const char *)p + n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_to(const char *path, const struct header *h,
		    const struct lg_fold *f)
{
	size_t size = (size_t)f->n * sizeof(*f->cells);
	struct rlimit lim;
	int fd, err;

	if (!getrlimit(RLIMIT_FSIZE, &lim) && lim.rlim_cur < sizeof(*h) + size)
		return -EFBIG;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, h, sizeof(*h));
	if (!err)
		err = write_all(fd, f->cells, size);
	if (!err && fdatasync(fd))
		err = -errno;
	close(fd);
	return err;
}

int lg_checkpoint_save(const char *state_dir, const struct lg_fold *f)
{
	char tmp[512], path[512], name[64];
	struct header h = {.magic = MAGIC,
			   .version = VERSION,
			   .cell_size = sizeof(*f->cells),
			   .n = f->n,
			   .pos = f->pos};
	int saved = errno, err;
	struct lg_buf b;

	h.crc = checksum(&h, f->cells);
	lg_buf_init_fixed(&b, name, sizeof(name));
	lg_buf_puts(&b, FILE_NAME ".");
	lg_buf_put_i64(&b, getpid());
	lg_buf_putc(&b, 0);
	err = path_of(state_dir, FILE_NAME, path, sizeof(path));
	if (!err)
		err = path_of(state_dir, name, tmp, sizeof(tmp));
	if (err)
		return err;
	err = write_to(tmp, &h, f);
	if (err == -EEXIST) {
		/* left by a dead process that had our pid */
		unlink(tmp);
		err = write_to(tmp, &h, f);
	}
	if (!err && rename(tmp, path))
		err = -errno;
	if (err && err != -EEXIST)
		unlink(tmp);
	errno = saved;
	return err;
}
