// Walks all flow tables for AwayMirror, a little at a time: which slots of which rings hold flows
// of another backend than their owner (away_ring.h).
//
// Passes begin after a start and after every change, and end when no slot is left unsettled. Flows
// that stay astray are looked for again every few seconds. A change while a pass is under way does
// not end it, or an unceasing row of changes would leave everything unsettled.
// Thread: the control thread. The workers write the tables meanwhile; an entry is one atomic word.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <vector>

#include "dp/engine/away_mirror.h"
#include "dp/shm/flows.h"
#include "dp/shm/snapshot.h"

namespace fairlead::engine {

class AwayScan {
  public:
    using Clock = std::chrono::steady_clock;
    using Tables = std::vector<std::span<const shm::FlowBucket>>;

    // The rings have changed.
    void note_change(Clock::time_point now);

    // Whether a pass should begin now. The caller sees to it that by then every worker follows what
    // note_change() was called for.
    [[nodiscard]] bool is_due(const AwayMirror& mirror, Clock::time_point now) const;
    // Begins a pass over these tables.
    void begin(Tables tables);
    // Looks at some thousand entries more, if a pass is under way.
    void step(AwayMirror& mirror, const shm::TablesReader& tables, Clock::time_point now);

  private:
    Tables tables_;  // what is left of the pass, the last one first
    std::size_t bucket_ = 0;
    bool is_walking_ = false;
    int passes_ = 0;  // since note_change()
    Clock::time_point changed_;
    Clock::time_point next_;
};

}  // namespace fairlead::engine
