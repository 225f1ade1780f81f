// From single results to a state: `rise` good checks in a row bring a backend in, `fall` failed
// ones take it out.
//
// Theory of operation. `count_` is the number of results in a row that speak against the settled
// state, and is not zero exactly in rising and falling:
//
//     unknown --good--> rising --good, count reaches rise--> up
//     unknown --bad---> down                  rising --bad--> down
//     up --bad--> falling --bad, count reaches fall--> down    falling --good--> up
//     down --good--> rising
//
// A state taken over from an earlier daemon starts a new count, so that a restart alone changes
// nothing: an up backend stays up until `fall` checks have failed since. Example: rise 2, fall 3,
// up: bad, bad, good, bad, bad, bad is falling, falling, up, falling, falling, down.
#pragma once

#include <cstdint>

#include "ctl/model/states.h"

namespace fairlead::health {

class RiseFall {
  public:
    // Rising and falling are taken over as what they were settled as, unchecked as up.
    RiseFall(model::Health last_known, std::uint32_t rise, std::uint32_t fall) noexcept;

    // Other thresholds from now on; state and count stay.
    void set_thresholds(std::uint32_t rise, std::uint32_t fall) noexcept;
    void pass() noexcept;
    void fail() noexcept;

    [[nodiscard]] model::Health health() const noexcept { return health_; }
    // No verdict yet: a backend without history that has not passed or failed often enough.
    [[nodiscard]] bool is_undecided() const noexcept { return !has_settled_; }

  private:
    model::Health health_;
    std::uint32_t rise_;
    std::uint32_t fall_;
    std::uint32_t count_ = 0;
    bool has_settled_;
};

}  // namespace fairlead::health
