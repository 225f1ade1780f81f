// Which services have fewer healthy backends than their min_healthy: told when it begins and when
// it is over, and what an operator should know while it lasts. Thread: the loop's.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "ctl/daemon/problem.h"
#include "ctl/model/min_healthy.h"
#include "ctl/model/model.h"

namespace fairlead::daemon {

class MinHealthyWatch {
  public:
    struct Change {
        std::string service;
        bool is_below = false;
        model::HealthCount count;
        conf::OnMinHealthy does = conf::OnMinHealthy::kFailClose;
    };
    // What has changed since the last look. Of a service that is gone, nothing is told.
    [[nodiscard]] std::vector<Change> look(const model::Model& model);

  private:
    std::set<std::string, std::less<>> below_;
};

// A sentence a service that is below.
[[nodiscard]] std::vector<Problem> min_healthy_problems(const model::Model& model);

}  // namespace fairlead::daemon
