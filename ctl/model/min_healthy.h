// Whether a service has as many healthy backends as it must have, and what is done where it has
// not.
//
// It begins as soon as too few are healthy, where those with no verdict yet (unknown, rising) count
// as healthy: what nobody has looked at yet is no outage, and neither is a start. It ends when
// enough have been healthy for kEnoughFor: a service at the edge would otherwise change its ring
// with every check, and a margin of one more backend instead could never be reached where all have
// to be healthy.
//
// The fallback joins the ring beside the healthy ones with the weight that those lack that are not:
// so no healthy one gets more than its usual share, and where the fallback is away too, they serve.
// Thread: the model's.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "ctl/model/service.h"

namespace fairlead::model {

inline constexpr std::chrono::seconds kEnoughFor{10};

// Of the backends that are ready, have a weight and stay.
struct HealthCount {
    std::size_t total = 0;
    std::size_t healthy = 0;
    std::size_t undecided = 0;  // unknown or rising
    std::size_t least = 0;      // by min_healthy; 0: any number will do
};
[[nodiscard]] HealthCount health_count(const Service& service);

// Judges the service anew after anything of it has changed, or time has passed, and those of its
// backends for which something follows. Whether a backend's state, or the service's, has changed.
bool follow_min_healthy(Service& service, Time now);

// What a change of `was` into `is` would take from min_healthy, as a sentence; "" where it leaves
// enough, or takes no healthy one. Of a percentage, those in drain and maintenance count too: else
// each drain would lower what the next one must leave.
[[nodiscard]] std::string why_too_few(const Service& was, const Service& is);

// "60%", or "3".
[[nodiscard]] std::string to_text(const conf::MinHealthy& least);

}  // namespace fairlead::model
