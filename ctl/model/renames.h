// Services that have another name than before, and are the same for their clients: the VIP, the
// ports and the protocol tell. What is known of them by the old name is carried over to the new
// one.
//
// Pure functions.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "conf/schema/config.h"
#include "ctl/model/overrides.h"
#include "ctl/model/service.h"
#include "ctl/publish/publisher.h"

namespace fairlead::model {

using Renames = std::map<std::string, std::string>;  // old name to new name

// Whose name is not there any more while what it was has a name that was not there.
[[nodiscard]] Renames renames_between(const std::vector<conf::ServiceConfig>& before,
                                      const std::vector<conf::ServiceConfig>& after);
[[nodiscard]] Renames renames_between(const std::vector<publish::KnownService>& before,
                                      const std::vector<conf::ServiceConfig>& after);
[[nodiscard]] Renames renames_between(const std::vector<Service>& before,
                                      const std::vector<Service>& after);

void rename(const Renames& renames, Overrides& overrides);
void rename(const Renames& renames, std::vector<Service>& services);
void rename(const Renames& renames, publish::Known& known);

}  // namespace fairlead::model
