#include "minisign.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#define PKEY_ED25519 1087 /* NID_ED25519 */
#define KEY_LEN 42	  /* "Ed", key id, key */
#define SIG_LEN 74	  /* "Ed" or "ED", key id, signature */
#define GLOBAL_LEN 64

static int value_of(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
		"qrstuvwxyz0123456789+/";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* Exactly n bytes of base64, with its padding. */
static bool decode(struct lg_slice s, unsigned char *out, size_t n)
{
	size_t got = 0, used = 0;
	unsigned bits = 0, have = 0;
	int v;

	for (; used < s.len && s.p[used] != '='; used++) {
		v = value_of(s.p[used]);
		if (v < 0)
			return false;
		bits = bits << 6 | (unsigned)v;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (got == n)
			return false;
		out[got++] = (unsigned char)(bits >> have);
		bits &= (1u << have) - 1;
	}
	for (; used < s.len; used++)
		if (s.p[used] != '=')
			return false;
	return got == n && !bits && s.len == (n + 2) / 3 * 4;
}

struct api {
	void *(*new_key)(int, void *, const unsigned char *, size_t);
	void (*free_key)(void *);
	void *(*new_ctx)(void);
	void (*free_ctx)(void *);
	int (*verify_init)(void *, void **, const void *, void *, void *);
	int (*verify)(void *, const unsigned char *, size_t,
		      const unsigned char *, size_t);
	const void *(*md)(const char *);
	int (*digest)(const void *, size_t, unsigned char *, unsigned *,
		      const void *, void *);
};

static bool load(struct api *a)
{
	const struct {
		const char *name;
		void **to;
	} need[] = {
		{"EVP_PKEY_new_raw_public_key", (void **)&a->new_key},
		{"EVP_PKEY_free", (void **)&a->free_key},
		{"EVP_MD_CTX_new", (void **)&a->new_ctx},
		{"EVP_MD_CTX_free", (void **)&a->free_ctx},
		{"EVP_DigestVerifyInit", (void **)&a->verify_init},
		{"EVP_DigestVerify", (void **)&a->verify},
		{"EVP_get_digestbyname", (void **)&a->md},
		{"EVP_Digest", (void **)&a->digest},
	};
	void *h = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);

	for (unsigned i = 0; h && i < sizeof(need) / sizeof(need[0]); i++) {
		*need[i].to = dlsym(h, need[i].name);
		if (!*need[i].to)
			return false;
	}
	return h;
}

static bool verify(const struct api *a, const unsigned char *key,
		   const unsigned char *sig, const void *p, size_t n)
{
	void *k = a->new_key(PKEY_ED25519, NULL, key, 32);
	void *ctx = a->new_ctx();
	bool good = k && ctx && a->verify_init(ctx, NULL, NULL, NULL, k) == 1 &&
		    a->verify(ctx, sig, 64, p, n) == 1;

	a->free_ctx(ctx);
	a->free_key(k);
	return good;
}

struct parts {
	unsigned char sig[SIG_LEN], global[GLOBAL_LEN];
	struct lg_slice comment;
};

/* Four lines: a comment, the signature, "trusted comment: ...", the global
 * signature. */
static bool split(struct lg_slice s, struct parts *p)
{
	static const char head[] = "trusted comment: ";
	struct lg_slice line[4];

	for (unsigned i = 0; i < 4; i++) {
		s = lg_slice_cut(s, '\n', &line[i]);
		if (line[i].len && line[i].p[line[i].len - 1] == '\r')
			line[i].len--;
	}
	if (!lg_slice_starts(line[2], lg_slice_str(head)))
		return false;
	p->comment = (struct lg_slice){line[2].p + sizeof(head) - 1,
				       line[2].len - sizeof(head) + 1};
	return decode(line[1], p->sig, SIG_LEN) &&
	       decode(line[3], p->global, GLOBAL_LEN);
}

bool minisign_is_key(const char *key)
{
	unsigned char k[KEY_LEN];

	return decode(lg_slice_str(key), k, KEY_LEN) && !memcmp(k, "Ed", 2);
}

static bool check_comment(const struct api *a, const unsigned char *key,
			  const struct parts *p)
{
	unsigned char text[64 + 1024];

	if (p->comment.len > 1024)
		return false;
	memcpy(text, p->sig + 10, 64);
	memcpy(text + 64, p->comment.p, p->comment.len);
	return verify(a, key + 10, p->global, text, 64 + p->comment.len);
}

int minisign_check(const char *key, struct lg_slice file,
		   struct lg_slice signature, const char **why)
{
	unsigned char k[KEY_LEN], hash[64];
	struct parts p;
	struct api a;
	unsigned n = 64;

	*why = "the key is no minisign public key";
	if (!decode(lg_slice_str(key), k, KEY_LEN) || memcmp(k, "Ed", 2) != 0)
		return -EINVAL;
	*why = "the signature is no minisign signature";
	if (!split(signature, &p) || p.sig[0] != 'E' ||
	    (p.sig[1] != 'd' && p.sig[1] != 'D'))
		return -EINVAL;
	*why = "the signature is of another key";
	if (memcmp(p.sig + 2, k + 2, 8) != 0)
		return -EINVAL;
	*why = "checking signatures needs libcrypto.so.3 (Debian: libssl3)";
	if (!load(&a))
		return -EINVAL;
	*why = "the signature does not fit: this is not the file that was "
	       "signed";
	if (p.sig[1] == 'D') {
		if (a.digest(file.p, file.len, hash, &n, a.md("BLAKE2b512"),
			     NULL) != 1)
			return -EINVAL;
		file = (struct lg_slice){(const char *)hash, 64};
	}
	if (!verify(&a, k + 10, p.sig + 10, file.p, file.len) ||
	    !check_comment(&a, k, &p))
		return -EINVAL;
	return 0;
}
