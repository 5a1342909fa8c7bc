#ifndef LG_TOOLS_CURL_LINE_H
#define LG_TOOLS_CURL_LINE_H

#include "doc.h"

/*
 * A command line of curl as the HTTP/1 request that it would send (the form
 * that explain_request reads). Documentation and browsers give requests so.
 * Files that it names with @ are read; nothing is executed.
 */

/* Does the text begin with the word curl? */
bool curl_line_is(struct lg_slice text);
/*
 * argv[0] is "curl". 0 with *out (in the arena); -EINVAL or -errno of a file
 * with err filled.
 */
int curl_line_argv(struct doc_arena *a, int argc, char **argv,
		   struct lg_slice *out, struct doc_error *err);
/*
 * The same of a text as pasted into a shell: quotes, $'...', backslashes and
 * continued lines; variables are left as they stand. It ends at a line's end,
 * ; | & or >.
 */
int curl_line_text(struct doc_arena *a, struct lg_slice text,
		   struct lg_slice *out, struct doc_error *err);

#endif
