#ifndef LG_LLM_JOB_H
#define LG_LLM_JOB_H

#include "llm/adapter.h"

/*
 * Work that is asked for now and told later: batches and training jobs. Their
 * objects say the same under many names; these are the ids that the adapters
 * of such objects share.
 */
enum lg_job {
	LG_JOB_ROOT = LG_ANSWER_OWN, /* watched, the object's end decides */
	LG_JOB_STATE,		     /* "in_progress", "SUCCEEDED", ... */
	LG_JOB_ENDED,		     /* a boolean: done */
	LG_JOB_CREATED,		     /* Unix seconds or RFC 3339 */
	LG_JOB_OUTPUT,		     /* id of the file with the results */
	LG_JOB_OWN,		     /* ids of one adapter begin here */
};

/*
 * Requests of many calls in one body. Ids are enum lg_fact, with LG_JOB_CALL
 * for the element that is one call: maxima add up, and count only if every
 * call has one. The tier is batch.
 */
#define LG_JOB_CALL 1000
void lg_job_request(struct lg_facts *f, int id, const struct lg_value *v);

/*
 * Carries these out, and what lg_answer_apply does. At the object's end:
 * background, and pending (under way), done (ended) or failed (ended without
 * a charge). An object whose state is not known is under way. Uses own[3].
 */
void lg_job_apply(struct lg_answer *a, int id, const struct lg_value *v);
/* Has the object that was read ended well, so that its usage is the last? */
bool lg_job_is_done(const struct lg_answer *a);
/* Unix seconds of either form; 0 when it is neither. */
int64_t lg_job_time(const struct lg_value *v);
/* What follows the last '/': "batches/b1" is b1. */
struct lg_slice lg_job_name(struct lg_slice text);

#endif
