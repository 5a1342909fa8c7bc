#ifndef LG_BPF_CHOOSE_H
#define LG_BPF_CHOOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/proc.h"
#include "bpf/target.h"

/*
 * Which processes are meant: those of --pid, and those for which all that was
 * asked of name, program, user and cgroup holds (or --all). One thread.
 */

/* Nothing but pids were asked for. */
bool choose_by_pid_alone(const struct target_options *o);
bool choose_has_pid(const struct target_options *o, uint32_t pid);
/* exe: of proc_exe. */
bool choose_fits(const struct target_options *o, const struct proc *p,
		 const char *exe);
/* The same by the record of its exec, where the kernel judged all else. */
bool choose_fits_exec(const struct target_options *o, uint32_t pid,
		      const struct probe_exec *x);
/* The part of it that the kernel can judge at an exec. */
void choose_select(const struct target_options *o, struct probe_select *out);
typedef void choose_file_fn(void *arg, const char *path);

/*
 * Files that such processes will map, where they can be told before the first
 * one starts: their programs and the TLS libraries of this system.
 */
void choose_foresee(const struct target_options *o, choose_file_fn *fn,
		    void *arg);
/* The TLS libraries that stand below this root ("": ours). */
void choose_foresee_system(const char *root, choose_file_fn *fn, void *arg);
/* The loader and the TLS libraries that a program needs (shown: its path as
 * it sees it itself, below root). */
void choose_foresee_libs(const char *path, const char *shown, const char *root,
			 choose_file_fn *fn, void *arg);

#endif
