#ifndef LG_TOOLS_CMDS_H
#define LG_TOOLS_CMDS_H

#include "opt.h"

/* One file a command: cmd_<first word>.c. */
extern const struct cmd cmd_status, cmd_run, cmd_budget_set, cmd_budget_list,
	cmd_budget_rm, cmd_holds, cmd_tail, cmd_pricing_list, cmd_pricing_show,
	cmd_pricing_import, cmd_pricing_export, cmd_pricing_set,
	cmd_pricing_update, cmd_pricing_history, cmd_pricing_check,
	cmd_pricing_explain, cmd_config_check, cmd_config_show, cmd_doctor,
	cmd_enable, cmd_disable, cmd_checkpoint, cmd_completion, cmd_help,
	cmd_reprice, cmd_reconcile, cmd_replay;

extern const struct cmd cmd_phase, cmd_record, cmd_estimate, cmd_export,
	cmd_archive;
extern const struct cmd cmd_budget_status, cmd_budget_raise, cmd_budget_import,
	cmd_alerts, cmd_pause, cmd_resume, cmd_trace;
extern const struct cmd cmd_index, cmd_report, cmd_costs, cmd_top;

extern const struct cmd cmd_by_conversation, cmd_by_tag, cmd_compare,
	cmd_forecast, cmd_cost_per_million, cmd_recommend;

/* All commands with one line each, to stdout. */
int help_overview(void);

#endif
