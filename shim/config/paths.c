#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool put_path(char *out, size_t cap, const char *dir, const char *name)
{
	size_t n = strlen(dir), m = strlen(name);

	out[0] = 0;
	if (n + m >= cap)
		return false;
	memcpy(out, dir, n);
	memcpy(out + n, name, m + 1);
	return true;
}

static bool is_set(const char *v)
{
	return v && v[0];
}

static bool exists(const char *path)
{
	struct stat st;
	int saved = errno;
	bool yes = !stat(path, &st);

	errno = saved;
	return yes;
}

void lg_config_find(char *out, size_t cap)
{
	const struct lg_config_home h = {
		.named = getenv("LLMGUARD_CONFIG"),
		.xdg = getenv("XDG_CONFIG_HOME"),
		.home = getenv("HOME"),
	};

	lg_config_find_in(&h, out, cap);
}

void lg_config_find_in(const struct lg_config_home *h, char *out, size_t cap)
{
	const char *set = h->named, *xdg = h->xdg, *home = h->home;

	/* What was named is taken even when absent: that is an error to show.
	 */
	if (is_set(set)) {
		put_path(out, cap, set, "");
		return;
	}
	if (is_set(xdg) && xdg[0] == '/') {
		if (put_path(out, cap, xdg, "/llmguard/llmguard.yaml") &&
		    exists(out))
			return;
	} else if (is_set(home) &&
		   put_path(out, cap, home,
			    "/.config/llmguard/llmguard.yaml") &&
		   exists(out)) {
		return;
	}
	if (!put_path(out, cap, "/etc", "/llmguard/llmguard.yaml") ||
	    !exists(out))
		out[0] = 0;
}

int lg_config_state_dir(char *out, size_t cap)
{
	const struct lg_config_home h = {
		.named = getenv("LLMGUARD_STATE_DIR"),
		.xdg = getenv("XDG_STATE_HOME"),
		.home = getenv("HOME"),
	};

	return lg_config_state_dir_in(&h, out, cap);
}

int lg_config_state_dir_in(const struct lg_config_home *h, char *out,
			   size_t cap)
{
	const char *set = h->named, *xdg = h->xdg, *home = h->home;
	bool fits;

	out[0] = 0;
	if (is_set(set))
		fits = put_path(out, cap, set, "");
	else if (geteuid() == 0)
		fits = put_path(out, cap, "/var/lib", "/llmguard");
	else if (is_set(xdg) && xdg[0] == '/')
		fits = put_path(out, cap, xdg, "/llmguard");
	else if (is_set(home))
		fits = put_path(out, cap, home, "/.local/state/llmguard");
	else
		return -ENOENT;
	return fits ? 0 : -ENAMETOOLONG;
}

static int write_all(int fd, const char *p, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return fsync(fd) ? -errno : 0;
}

/* "<path>.<pid>.<thread>.tmp": two threads may do this at once. */
static int temp_name(char *out, size_t cap, const char *path)
{
	struct lg_buf b;

	lg_buf_init_fixed(&b, out, cap - 1);
	lg_buf_puts(&b, path);
	lg_buf_putc(&b, '.');
	lg_buf_put_u64(&b, (uint64_t)getpid());
	lg_buf_putc(&b, '.');
	lg_buf_put_u64(&b, (uint64_t)syscall(SYS_gettid));
	lg_buf_puts(&b, ".tmp");
	out[b.len] = 0;
	return b.overflow ? -ENAMETOOLONG : 0;
}

/* Past the limit a write raises SIGXFSZ, which would end the host. */
static bool fits_limit(size_t len)
{
	struct rlimit r;

	return getrlimit(RLIMIT_FSIZE, &r) || r.rlim_cur == RLIM_INFINITY ||
	       len <= r.rlim_cur;
}

int lg_config_write_image(const char *path, const struct lg_buf *img)
{
	char tmp[1024];
	int saved = errno;
	int fd, err = temp_name(tmp, sizeof(tmp), path);

	if (!err && !fits_limit(img->len))
		err = -EFBIG;
	if (err)
		return err;
	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0) {
		err = -errno;
		goto out;
	}
	err = write_all(fd, img->p, img->len);
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(tmp, path))
		err = -errno;
	if (err)
		unlink(tmp);
out:
	errno = saved;
	return err;
}
