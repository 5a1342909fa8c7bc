#include "fetch.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct api {
	__typeof__(curl_global_init) *global_init;
	__typeof__(curl_easy_init) *init;
	__typeof__(curl_easy_setopt) *setopt;
	__typeof__(curl_easy_perform) *perform;
	__typeof__(curl_easy_getinfo) *getinfo;
	__typeof__(curl_easy_strerror) *error;
	__typeof__(curl_easy_cleanup) *cleanup;
};

static int load(struct api *a, char why[256])
{
	const struct {
		const char *name;
		void **to;
	} need[] = {
		{"curl_global_init", (void **)&a->global_init},
		{"curl_easy_init", (void **)&a->init},
		{"curl_easy_setopt", (void **)&a->setopt},
		{"curl_easy_perform", (void **)&a->perform},
		{"curl_easy_getinfo", (void **)&a->getinfo},
		{"curl_easy_strerror", (void **)&a->error},
		{"curl_easy_cleanup", (void **)&a->cleanup},
	};
	void *h = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);

	if (!h) {
		snprintf(why, 256, "needs libcurl.so.4 (Debian: libcurl4): %s",
			 dlerror());
		return -ENOSYS;
	}
	for (unsigned i = 0; i < sizeof(need) / sizeof(need[0]); i++) {
		*need[i].to = dlsym(h, need[i].name);
		if (!*need[i].to) {
			snprintf(why, 256, "libcurl.so.4 has no %s",
				 need[i].name);
			return -ENOSYS;
		}
	}
	if (a->global_init(CURL_GLOBAL_DEFAULT)) {
		snprintf(why, 256, "libcurl does not start");
		return -EIO;
	}
	return 0;
}

static size_t take(char *p, size_t size, size_t n, void *out)
{
	return lg_buf_put(out, p, size * n) ? 0 : size * n;
}

static void set(const struct api *a, CURL *c, const char *url, bool insecure_ok,
		struct lg_buf *out, char *why)
{
	const char *ca = getenv("SSL_CERT_FILE");
	char agent[64];

	snprintf(agent, sizeof(agent), "llmguard/%s", tool_version);
	a->setopt(c, CURLOPT_URL, url);
	a->setopt(c, CURLOPT_USERAGENT, agent);
	a->setopt(c, CURLOPT_PROTOCOLS_STR,
		  insecure_ok ? "https,http" : "https");
	a->setopt(c, CURLOPT_REDIR_PROTOCOLS_STR,
		  insecure_ok ? "https,http" : "https");
	a->setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	a->setopt(c, CURLOPT_MAXREDIRS, 5L);
	a->setopt(c, CURLOPT_CONNECTTIMEOUT, 20L);
	a->setopt(c, CURLOPT_TIMEOUT, 120L);
	a->setopt(c, CURLOPT_NOSIGNAL, 1L);
	a->setopt(c, CURLOPT_FAILONERROR, 1L);
	a->setopt(c, CURLOPT_ACCEPT_ENCODING, "");
	a->setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)FETCH_MAX);
	a->setopt(c, CURLOPT_WRITEFUNCTION, take);
	a->setopt(c, CURLOPT_WRITEDATA, out);
	a->setopt(c, CURLOPT_ERRORBUFFER, why);
	if (ca && *ca)
		a->setopt(c, CURLOPT_CAINFO, ca);
}

int fetch(const char *url, bool insecure_ok, struct lg_buf *out, char why[256])
{
	static struct api a;
	char reason[CURL_ERROR_SIZE] = "";
	CURL *c;
	CURLcode code;
	int err = a.init ? 0 : load(&a, why);

	if (err)
		return err;
	c = a.init();
	if (!c)
		return -ENOMEM;
	set(&a, c, url, insecure_ok, out, reason);
	code = a.perform(c);
	a.cleanup(c);
	if (code == CURLE_WRITE_ERROR && out->overflow) {
		snprintf(why, 256, "larger than %zu MiB", out->max >> 20);
		return -EFBIG;
	}
	if (code != CURLE_OK) {
		snprintf(why, 256, "%s", *reason ? reason : a.error(code));
		return -EIO;
	}
	return 0;
}
