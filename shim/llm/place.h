#ifndef LG_LLM_PLACE_H
#define LG_LLM_PLACE_H

#include <stdbool.h>

#include "base/slice.h"

/* What a host's name tells of where it stands. Any thread, no allocation. */

/*
 * This machine or its own network: loopback, private and link-local
 * addresses, "localhost", names without a dot or in .localhost, .local, .lan,
 * .internal, .home.arpa. host: without port and brackets.
 */
bool lg_place_is_local(struct lg_slice host);

/*
 * Where AWS runs a call: the prefix of a cross-region profile ("us", "global";
 * also behind an ARN's slash), else the region in the host's name
 * ("eu-west-1"). Borrowed from either; empty when neither tells.
 */
struct lg_slice lg_place_aws(struct lg_slice model, struct lg_slice host);

/* Of models on a local Ollama that its maker's servers run: "x-cloud". */
bool lg_place_is_cloud_model(struct lg_slice model);

#endif
