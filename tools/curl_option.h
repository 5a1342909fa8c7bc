#ifndef LG_TOOLS_CURL_OPTION_H
#define LG_TOOLS_CURL_OPTION_H

#include <stdbool.h>
#include <stddef.h>

/* curl's options (7.88 and what came since), as far as a request is told. */
enum curl_meaning {
	CURL_OPT_SWITCH, /* no value; says nothing here, as all that follow: */
	CURL_OPT_VALUE,
	CURL_OPT_URL,
	CURL_OPT_HEADER,
	CURL_OPT_METHOD,
	CURL_OPT_DATA,
	CURL_OPT_DATA_RAW,
	CURL_OPT_JSON,
	CURL_OPT_NOT, /* takes a value, and is not understood */
	/* no value */
	CURL_OPT_NEXT,
	CURL_OPT_GET,
	CURL_OPT_HEAD,
};

struct curl_option {
	const char *name;
	char letter; /* 0: none */
	enum curl_meaning is;
};

/*
 * Without the dashes; a beginning that only one has will do, and no- before a
 * switch. NULL: there is none.
 */
const struct curl_option *curl_option_find(const char *name, size_t len);
const struct curl_option *curl_option_letter(char letter);
bool curl_option_has_value(const struct curl_option *o);

#endif
