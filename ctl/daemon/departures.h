// When a removed backend may go: its last flow is gone, and stays gone.
//
// A backend goes when looks in a row have found no flow of it over two rounds of the workers, all
// after every worker has acknowledged a generation without it in the ring: until then a worker may
// still send it a new one, and one that stands still counts nothing. Where no engine lives its
// flows wait for the next one, which takes them over and counts them; it goes at once only where no
// engine has left any. Thread: the loop's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "ctl/model/model.h"
#include "ctl/publish/publisher.h"
#include "ctl/publish/telemetry_view.h"

namespace fairlead::daemon {

class Departures {
  public:
    Departures(publish::Publisher& publisher, publish::TelemetryView& telemetry)
        : publisher_(publisher), telemetry_(telemetry) {}

    // Looks once, and takes out of `model` what may go. Whether anything went. `rounds` is that of
    // the engine (engine_watch.h), as of now.
    bool look(model::Model& model, std::uint64_t rounds);

  private:
    using Identity = std::tuple<std::string, std::string, IpAddress>;
    struct Watch {
        std::uint64_t generation = 0;              // the first in force without it in the ring
        std::optional<std::uint64_t> empty_since;  // rounds at the first look without a flow
        bool is_seen = true;                       // in this look
    };
    [[nodiscard]] bool is_gone(const model::Service& service, const model::Backend& backend);

    publish::Publisher& publisher_;
    publish::TelemetryView& telemetry_;
    std::map<Identity, Watch> watches_;
    bool flows_are_counted_ = false;
    bool nobody_has_flows_ = false;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t rounds_ = 0;
};

}  // namespace fairlead::daemon
