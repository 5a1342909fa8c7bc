#include <errno.h>
#include <string.h>

#include "guard/engine.h"
#include "guard/phase.h"
#include "tools/client/client.h"
#include "tools/phase_switch.h"

static const char *run_of(const llmguard *g, const char *run_id)
{
	return run_id ? run_id : g ? client_text(g->env.run_id) : "";
}

int llmguard_phase_set(llmguard *g, const char *run_id, const char *phase)
{
	const char *run = run_of(g, run_id);
	bool unaudited;
	int ret = client_may_write(g);

	if (ret)
		return ret;
	if (!*run)
		return client_fail(g, LLMGUARD_EARGUMENT, "which run?");
	if (!phase || !phase_is_word(phase))
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "a phase is infer, train or auto");
	ret = phase_switch(g->e, run, phase, &unaudited);
	return ret ? client_errno(g, ret, run) : LLMGUARD_OK;
}

int llmguard_phase_get(llmguard *g, const char *run_id, char phase[8])
{
	const char *run = run_of(g, run_id);

	if (!g || !phase || !*run)
		return client_fail(g, LLMGUARD_EARGUMENT, "which run?");
	lg_phase_read(lg_engine_state_dir(g->e), run, phase);
	if (!*phase)
		strcpy(phase, "auto");
	return LLMGUARD_OK;
}
