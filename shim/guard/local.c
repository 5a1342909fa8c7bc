#include "guard/local.h"

bool lg_local_take(struct lg_exchange *x, struct lg_slice url,
		   const struct lg_buf *held, bool may_sleep)
{
	(void)x;
	(void)url;
	(void)held;
	(void)may_sleep;
	return false;
}
