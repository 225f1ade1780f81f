// The neighbors that packets are sent to: kept known by the kernel for as long as they are needed,
// and no longer.
//
// upkeep.h says when one is asked for. Thread: the daemon's loop. Memory: the loop, the kernel and
// the callbacks must outlive it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "ctl/loop/timer.h"
#include "ctl/neighbor/kernel.h"
#include "ctl/neighbor/upkeep.h"

namespace fairlead::neighbor {

class NextHops {
  public:
    // `on_change` is called when what find() tells of a neighbor has changed so that packets go
    // elsewhere, or nowhere. `can_ask` says whether an interface can carry a question.
    NextHops(boost::asio::io_context& loop,
             Kernel& kernel,
             std::function<bool(int interface_index)> can_ask,
             std::function<void(const NextHop&)> on_change);

    struct Known {
        Watched watched;
        bool is_lost = false;
        std::string refused;  // why the kernel did not look for it, the last time
        std::size_t users = 0;
        Clock::time_point due{};
    };
    // Begins to keep it, or counts one more who needs it; the other takes one back.
    void need(const NextHop& hop);
    void leave(const NextHop& hop);
    // nullptr: nobody needs it.
    [[nodiscard]] const Known* find(const NextHop& hop) const;

    void apply(const NeighborChanged& changed);
    // Its interface can carry questions now, or cannot any more.
    void interface_changed(int interface_index);
    // Events have been lost. Whether the kernel told all of it.
    [[nodiscard]] bool read_again();
    // Looks for what a former daemon had the kernel keep; what is not needed by the time of
    // release_former() is left to the kernel.
    void find_former();
    void release_former();

  private:
    // Where a former daemon has had the kernel look for it, and nobody answers: when it was
    // confirmed last. A restart is no reason to wait for it anew.
    [[nodiscard]] std::optional<Clock::time_point> asked_in_vain_since(const NextHop& hop) const;
    void look(const NextHop& hop, Known& known);
    void decide_about(const NextHop& hop, Known& known);
    void update(const NextHop& hop, Known& known, const std::optional<NeighborEntry>& entry);
    void on_due();
    void wake();

    Kernel& kernel_;
    std::function<bool(int)> can_ask_;
    std::function<void(const NextHop&)> on_change_;
    loop::Timer timer_;
    Clock::time_point wakes_at_ = Clock::time_point::max();
    std::map<NextHop, Known> known_;
    std::set<std::pair<Clock::time_point, NextHop>> due_;
    std::map<NextHop, NeighborEntry> former_;
};

}  // namespace fairlead::neighbor
