#include "guard/h2_state.h"

/* How much more the sender may be told of; 0: not worth a frame. */
static uint32_t more(struct lg_h2_window *w, int64_t ours, int64_t least)
{
	int64_t n = w->far - ours - w->near;

	/* who may not send anything is told of little, too */
	if (n <= 0 || (n < least && w->near > 0))
		return 0;
	if (n > LG_H2_WINDOW_MAX - w->near)
		n = LG_H2_WINDOW_MAX - w->near;
	if (n <= 0 || n > LG_H2_WINDOW_MAX)
		return 0;
	w->near += n;
	return (uint32_t)n;
}

void lg_h2conn_grant_up(struct lg_h2conn *c, struct lg_h2_stream *st,
			int64_t least)
{
	uint32_t n = more(&c->up_all, (int64_t)c->waiting, least);
	int64_t half = c->up_window / 2;

	if (c->deaf)
		return;
	if (n)
		lg_h2_put_u32(lg_h2conn_say(c), LG_H2_WINDOW_UPDATE, 0, n);
	if (!st || st->up_end)
		return;
	if (least > half)
		least = half > 0 ? half : 1;
	n = more(&st->up, (int64_t)(st->wait.len - st->waited), least);
	if (n)
		lg_h2_put_u32(lg_h2conn_say(c), LG_H2_WINDOW_UPDATE, st->id, n);
}

void lg_h2conn_grant_down(struct lg_h2conn *c, struct lg_h2_stream *st,
			  int64_t least)
{
	uint32_t n = more(&c->down_all, c->late_bytes + c->telling, least);

	if (c->broken)
		return;
	if (n)
		lg_h2_put_u32(&c->next, LG_H2_WINDOW_UPDATE, 0, n);
	if (!st || !st->sid || st->dead || st->down_done)
		return;
	n = more(&st->down, (int64_t)(st->tail.len - st->tailed), least);
	if (n)
		lg_h2_put_u32(&c->next, LG_H2_WINDOW_UPDATE, st->sid, n);
}

void lg_h2_settings_push(struct lg_h2_settings *ring, unsigned *n,
			 struct lg_slice content)
{
	struct lg_h2_settings s = {-1, -1};
	uint32_t value;
	unsigned id;

	while (lg_h2_next_setting(&content, &id, &value)) {
		if (id == LG_H2_SET_TABLE)
			s.table = value;
		else if (id == LG_H2_SET_WINDOW && value <= LG_H2_WINDOW_MAX)
			s.window = value;
	}
	/* nobody leaves so many unanswered: the last two become one */
	if (*n == LG_H2_SETTINGS_DEPTH)
		(*n)--;
	ring[(*n)++] = s;
}

bool lg_h2_settings_pop(struct lg_h2_settings *ring, unsigned *n,
			struct lg_h2_settings *out)
{
	if (!*n)
		return false;
	*out = ring[0];
	(*n)--;
	for (unsigned i = 0; i < *n; i++)
		ring[i] = ring[i + 1];
	return true;
}
