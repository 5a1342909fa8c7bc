#ifndef LG_BPF_COST_H
#define LG_BPF_COST_H

#include <stdint.h>

struct loader;

/*
 * What a hit of a probe costs a program on this machine, in nanoseconds: where
 * the kernel emulates the instruction, and where it steps over it. Measured
 * on two functions of our own for some milliseconds; without the payload that
 * a target's call sends up. 0 where it could not be measured.
 */
struct cost {
	uint32_t emulated_ns, stepped_ns;
};
void cost_measure(struct loader *l, struct cost *out);

#endif
