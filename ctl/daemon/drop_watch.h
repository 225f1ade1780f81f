// Drops that mean that all of a service or a backend is lost, while they rise.
//
// Of most reasons some packets are dropped at all times, as the Internet sends them. Of these few
// none is: each such packet is one that somebody should have had. A reason is a problem from the
// look that finds more of it until kTellFor after the last one that did. Services are asked only
// when the sum has risen, as there may be thousands of them. Thread: the daemon's loop.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ctl/daemon/problem.h"
#include "dp/shm/drop_reason.h"

namespace fairlead::daemon {

class DropWatch {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds kTellFor{5};

    static constexpr std::array kReasons{DropReason::kNoTunnelSource,
                                         DropReason::kNoNeighbor,
                                         DropReason::kNoBackend,
                                         DropReason::kBadTables};
    using Totals = std::array<std::uint64_t, kDropReasonCount>;
    using ByName = std::map<std::string, std::uint64_t>;

    struct Reading {
        Totals dropped{};  // by all workers
        std::function<std::map<std::string, Totals>()> of_services;
        bool is_new_list = false;  // services have come or gone since the last look
        // Of each port: packets for a VIP that the steering program dropped as nobody polled.
        // Empty while no engine forwards: then that is what has to happen.
        ByName no_socket;
    };
    void look(const Reading& reading, Clock::time_point now);

    [[nodiscard]] std::vector<Problem> problems(Clock::time_point now) const;

  private:
    // One reason that rises, or one port's packets.
    struct Rise {
        std::optional<Clock::time_point> last;  // nullopt: it never rose
        std::uint64_t packets = 0;              // since it began to rise
        std::map<std::string, std::uint64_t> services;

        [[nodiscard]] bool is_told(Clock::time_point now) const {
            return last && now - *last < kTellFor;
        }
        void add(std::uint64_t more, Clock::time_point now);
    };
    // Whose counts before they came are not theirs.
    void know_services(std::map<std::string, Totals> services);
    void look_at_services(const std::map<std::string, Totals>& services, Clock::time_point now);

    std::optional<Totals> totals_;  // at the last look
    std::map<std::string, Totals> service_totals_;
    std::array<Rise, kReasons.size()> rises_;
    ByName no_socket_;
    std::map<std::string, Rise> no_socket_rises_;
};

}  // namespace fairlead::daemon
