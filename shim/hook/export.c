#include "hook/gnutls.h"
#include "hook/hook.h"
#include "hook/nss.h"

#include <dlfcn.h>
#include <netdb.h>
#include <sys/types.h>
#include <unistd.h>

#define LG_HOOK(name, type, params, args) LG_EXPORT type name params;
#include "hook/hooks.def"
#undef LG_HOOK

#define LG_HOOK(name, type, params, args)                                      \
	type name params                                                       \
	{                                                                      \
		return hook_##name args;                                       \
	}
#include "hook/hooks.def"
