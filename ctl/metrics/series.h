// The services and backends of one scrape with their labels, which are rendered once and kept until
// services or backends come or go.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ctl/daemon/counts.h"
#include "ctl/model/model.h"

namespace fairlead::metrics {

// Positions in Model::services() and their labels, unclosed.
struct BackendSeries {
    std::size_t position = 0;
    std::string labels;  // {service="portal",backend="app-1"
};
struct ServiceSeries {
    std::string labels;  // {service="portal"
    std::vector<BackendSeries> backends;
};

class SeriesCache {
  public:
    // One entry a service, in the model's order. Where a backend that leaves has the name of one
    // that stays, only the one that stays is there: two series must not have the same labels.
    [[nodiscard]] const std::vector<ServiceSeries>& of(const model::Model& model);

  private:
    std::uint64_t shape_ = 0;
    std::vector<ServiceSeries> series_;
};

}  // namespace fairlead::metrics
