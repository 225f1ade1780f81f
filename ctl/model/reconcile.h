// Overrides meet a newly read file: where the file has changed what an override changes, the file
// wins.
#pragma once

#include <string>
#include <vector>

#include "conf/schema/config.h"
#include "ctl/model/overrides.h"

namespace fairlead::model {

// Drops every override that the file has overtaken or that has lost its backend, and says so, one
// sentence each:
//   - a weight, where the file's weight is not what it was when the override was made;
//   - a removal, where the file describes the backend otherwise, or no more;
//   - an addition, where the file has a backend of that name or address now, or a service that
//     cannot have it (l2 and the other family; its fallback's name or address);
//   - whatever belongs to a backend that exists neither in the file nor at run time;
//   - whatever belongs to a service that the file does not have, when it has been read twice so.
[[nodiscard]] std::vector<std::string> reconcile(const conf::Config& config, Overrides& overrides);

}  // namespace fairlead::model
