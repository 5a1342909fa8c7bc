#include "phase_switch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "budget/region.h"
#include "guard/engine.h"
#include "guard/file.h"
#include "guard/phase.h"
#include "tool.h"

bool phase_is_word(const char *text)
{
	return !strcmp(text, "infer") || !strcmp(text, "train") ||
	       !strcmp(text, "auto");
}

static int make_folder(const char *state_dir)
{
	char path[400];

	if (lg_path_join(path, sizeof(path), state_dir, LG_RUNS_DIR))
		return -ENAMETOOLONG;
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

int phase_switch(struct lg_engine *e, const char *run, const char *phase,
		 bool *unaudited)
{
	const char *dir = lg_engine_state_dir(e);
	char path[400], text[16], note[101];
	int err = lg_run_path(dir, run, ".phase", path, sizeof(path));

	if (!err)
		err = make_folder(dir);
	if (!err && !strcmp(phase, "auto"))
		err = unlink(path) && errno != ENOENT ? -errno : 0;
	else if (!err)
		err = lg_file_replace(
			path, text,
			(size_t)snprintf(text, sizeof(text), "%s\n", phase));
	if (err)
		return err;
	snprintf(note, sizeof(note), "phase %.70s %s", run, phase);
	*unaudited = tool_audit(e, note) != 0;
	if (lg_engine_region(e) && !lg_engine_is_readonly(e))
		lg_region_bump(lg_engine_region(e));
	return 0;
}
