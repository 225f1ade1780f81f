// Whether packets move: the engine, its ports and its drops, looked at together.
//
// Thread: the daemon's loop.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "ctl/daemon/drop_watch.h"
#include "ctl/daemon/engine_watch.h"
#include "ctl/daemon/port_watch.h"
#include "ctl/model/model.h"
#include "ctl/publish/publisher.h"
#include "ctl/publish/telemetry_view.h"

namespace fairlead::daemon {

class TrafficWatch {
  public:
    using Clock = std::chrono::steady_clock;

    void look(publish::TelemetryView& telemetry,
              const publish::Publisher& publisher,
              const model::Model& model,
              Clock::time_point now);

    [[nodiscard]] const EngineWatch& engine() const { return engine_; }
    // `is_waiting_told`: why the engine does not follow any tables is told already.
    [[nodiscard]] std::vector<Problem> problems(Clock::time_point now, bool is_waiting_told) const;
    // Whether a running engine says this of the port of that name.
    [[nodiscard]] bool tells(const std::string& port, shm::PortCondition condition) const {
        return ports_.tells(port, condition);
    }
    // By which nothing is received or sent, as a running engine says.
    [[nodiscard]] std::vector<std::string> stopped_ports() const { return ports_.stopped(); }
    // On which a running engine has its ports.
    [[nodiscard]] const neighbor::EngineInterfaces& interfaces() const {
        return ports_.interfaces();
    }

  private:
    void look_at_drops(const publish::TelemetryView& telemetry,
                       const publish::Publisher& publisher,
                       const model::Model& model,
                       Clock::time_point now);

    EngineWatch engine_;
    PortWatch ports_;
    DropWatch drops_;
    std::optional<Clock::time_point> forwarding_since_;
    std::optional<Clock::time_point> looked_at_drops_;
    std::uint64_t known_shape_ = 0;  // of the model whose services the drops are known of
};

}  // namespace fairlead::daemon
