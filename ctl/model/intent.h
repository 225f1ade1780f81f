// From the file and the overrides to the services that are wanted, and from what there was to what
// there will be: pure functions, so that a change can be tried before it is made.
#pragma once

#include <vector>

#include "conf/schema/config.h"
#include "ctl/model/overrides.h"
#include "ctl/model/service.h"
#include "ctl/publish/publisher.h"

namespace fairlead::model {

// The wanted services, in the file's order, backends of the file first. Nothing observed yet.
[[nodiscard]] std::vector<Service> wanted_services(const conf::Config& config,
                                                   const Overrides& overrides);

// Takes over into `wanted` what `former` had observed, by (service, name, address), and keeps what
// is wanted no more as removing until its flows are gone. A service that is wanted no more stays
// likewise, unless its VIP and port belong to another one now. Everything is judged anew.
void carry_over(const std::vector<Service>& former, std::vector<Service>& wanted, Time now);

// What the segment of an earlier daemon says is taken over as if this daemon had observed it. What
// the file has lost in the meantime is kept as removing, as above.
void carry_over(const publish::Known& known, std::vector<Service>& wanted, Time now);

// What follows for every service and backend.
void judge_all(std::vector<Service>& services, Time now);

[[nodiscard]] shm::ForwardingMode mode_of(conf::Forwarding forwarding);

// What the engine should have. `ports` and the seed come from elsewhere.
[[nodiscard]] std::vector<publish::DesiredService> desired_services(
    const std::vector<Service>& services);

}  // namespace fairlead::model
