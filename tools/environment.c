#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slice.h"
#include "guard/env.h"
#include "tool.h"

static void tell_variables(const struct lg_env *env)
{
	struct lg_env_bad bad[LG_ENV_BAD_MAX];
	unsigned i, n = lg_env_check(env, bad);
	char shown[65];

	for (i = 0; i < n; i++) {
		lg_slice_copy(lg_slice_str(bad[i].value), shown, sizeof(shown));
		tool_warn("%s: value \"%s\": allowed: %s", bad[i].variable,
			  shown, bad[i].allowed);
	}
}

static int folder_error(const char *dir)
{
	struct stat st;

	if (stat(dir, &st))
		return errno;
	if (!S_ISDIR(st.st_mode))
		return ENOTDIR;
	return access(dir, W_OK | X_OK) ? errno : 0;
}

static void tell_folder(const char *dir)
{
	int err = folder_error(dir);

	if (err)
		tool_warn("state folder %s: %s; rows of the ledger wait in the "
			  "shared region",
			  dir, strerror(err));
}

static void tell_log(void)
{
	const char *log = getenv("LLMGUARD_LOG");
	struct stat st;
	int err = 0;

	if (!log || !*log || !strcmp(log, "stderr"))
		return;
	if (stat(log, &st))
		err = errno == ENOENT ? 0 : errno;
	else if (S_ISDIR(st.st_mode))
		err = EISDIR;
	else if (access(log, W_OK))
		err = errno;
	if (err)
		tool_warn("LLMGUARD_LOG: value \"%s\": %s; allowed: a file "
			  "that can be written, or stderr",
			  log, strerror(err));
}

void tool_tell_environment(const struct lg_env *env, const char *state_dir)
{
	tell_variables(env);
	tell_log();
	tell_folder(state_dir);
}
