// Counters of one backend since it has been this service's: today's totals less those at the moment
// when it got its index.
#pragma once

#include <cstdint>
#include <optional>

#include "ctl/model/service.h"
#include "ctl/publish/publisher.h"
#include "ctl/publish/telemetry_view.h"

namespace fairlead::daemon {

struct BackendCounts {
    std::optional<BackendIndex> index;  // nothing: not published yet
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    std::uint64_t new_flows = 0;
    std::uint64_t active_flows = 0;
};

[[nodiscard]] BackendCounts counts_of(const publish::Publisher& publisher,
                                      publish::TelemetryView& telemetry,
                                      const model::Service& service,
                                      const model::Backend& backend);

}  // namespace fairlead::daemon
