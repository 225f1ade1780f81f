// The guard: what nobody takes away from a service by accident.
//
// A change (of one backend, of the file, whatever it is) is compared with what serves at this
// moment. It is refused where a service that serves would be left with no backend that does, or
// where more than half of the weight that it serves with would be taken away: what is left would
// get more than twice what it has now. Taken away is the weight of servers that serve and then do
// not; a weight that is lowered, but not to 0, takes no server away. What comes and serves at once
// makes up for it; a new server that has to pass its checks first does not. And it is refused where
// it would leave fewer healthy backends than the service's min_healthy (min_healthy.h).
#pragma once

#include <string>
#include <vector>

#include "ctl/model/service.h"

namespace fairlead::model {

// What would be lost, in sentences; "" if the change may be made.
[[nodiscard]] std::string why_guarded(const std::vector<Service>& before,
                                      const std::vector<Service>& after);

}  // namespace fairlead::model
