// Allow and deny lists of all services together: equal ones shared, and what is wrong with them.
#pragma once

#include "conf/schema/problems.h"
#include "conf/schema/read.h"

namespace fairlead::conf {

// Gives services with equal lists the same one, so that a list that many services use costs its
// memory, and its room in the engine's tables, once.
void share_equal_lists(Config& config);

// A prefix that a service both allows and denies; more prefixes than the engine's tables hold.
// Requires that equal lists are shared.
void validate_sources(const Reading& reading, Problems& problems);

}  // namespace fairlead::conf
