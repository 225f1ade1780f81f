// What makes a LendingRig's tables richer, so that a fuzzer's packets reach more of dp/forward.
#pragma once

#include <cstdint>
#include <vector>

#include "dp/forward/path/rate_limits.h"
#include "tests/support/lending_rig.h"

namespace fairlead::testing {

// Every service of the rig by this mode, to backends of this family.
void tunnel_everything(LendingRig& rig, shm::ForwardingMode mode, bool to_v6);

// Services of any port and of ranges on the rig's VIPs, of clients that stay with a backend, for
// TCP and UDP.
void add_wide_services(LendingRig& rig);

// Limits of every kind on two of the rig's services. Owns the memory of the rates: as long-lived as
// the rig.
class FuzzLimits {
  public:
    explicit FuzzLimits(LendingRig& rig);

  private:
    std::vector<PacketBudget> budgets_ = std::vector<PacketBudget>(16);
    std::vector<PacketCredit> credits_ = std::vector<PacketCredit>(16);
    std::vector<SourceSet> sources_ = std::vector<SourceSet>(16);
};

}  // namespace fairlead::testing
