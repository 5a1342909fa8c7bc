#ifndef LG_TOOLS_ELFFILE_H
#define LG_TOOLS_ELFFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What an ELF file says of itself. Nothing in it is believed: each offset,
 * size and index is checked against the file, each loop is bounded by it.
 */
#define ELF_NEEDED_MAX 128

/* Functions that tell a TLS library, or who uses one: bits of a mask. */
enum elf_mark {
	ELF_SSL_WRITE,
	ELF_SSL_WRITE_EX,
	ELF_BIO_SSL, /* BIO_f_ssl, BIO_new_ssl, BIO_new_ssl_connect */
	ELF_BIO_WRITE,
	ELF_BORING,  /* what only BoringSSL has */
	ELF_GNUTLS,  /* gnutls_record_send */
	ELF_NSS,     /* SSL_ImportFD */
	ELF_PR_SEND, /* PR_Send */
	ELF_MBEDTLS, /* mbedtls_ssl_write */
	ELF_WOLFSSL, /* wolfSSL_write */
	ELF_S2N,     /* s2n_send */
	ELF_SEND,    /* send */
	ELF_DLSYM,
	ELF_LIBC_START, /* __libc_start_main: there is a libc */
	ELF_RUST,	/* a mangled name of rustls */
	ELF_MARKS
};
#define ELF_BIT(m) (1u << (m))

/* A table of symbols and the texts of their names: offsets of the file. */
struct elf_symtab {
	uint64_t sym, nsyms; /* at most */
	uint64_t str, strsz;
};
/* A part of the file. */
struct elf_part {
	uint64_t off, len;
};

struct elf {
	const char *p; /* the mapped file */
	size_t size;
	unsigned bits;	    /* 64, 32 */
	uint16_t machine;   /* e_machine */
	bool same_machine;  /* 64 bits, our machine and byte order */
	bool dynamic;	    /* has a dynamic section */
	bool damaged;	    /* something in it points out of the file */
	const char *interp; /* program interpreter, NULL: none */
	const char *needed[ELF_NEEDED_MAX];
	unsigned nneeded;
	const char *rpath, *runpath, *soname; /* NULL: none */
	unsigned exports;		      /* in .dynsym, defined */
	unsigned imports;		      /* in .dynsym, undefined */
	unsigned locals;		      /* in .symtab, defined */
	char go[32]; /* "go1.19.8", "go" of an unknown one, "" */
	struct elf_symtab dynsym, symtab; /* nsyms 0: none */
	struct elf_part rela, plt_rela;	  /* Elf64_Rela of the loader */
};

/* 0; -ENOEXEC not ELF (or too short to tell); -errno. */
int elf_open(const char *path, struct elf *out);
/* The same of bytes that the caller keeps mapped as long as out is used. */
int elf_parse(const void *p, size_t size, struct elf *out);
void elf_close(struct elf *e);
/* Where this text stands in the file; NULL. */
const char *elf_find(const struct elf *e, const char *text);
/* "x86-64", "i386", ... */
const char *elf_machine_name(const struct elf *e);

#endif
