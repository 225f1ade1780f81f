#include "ctl/daemon/departures.h"

namespace fairlead::daemon {
namespace {

constexpr std::uint64_t kEmptyRounds = 2;

}  // namespace

bool Departures::look(model::Model& model, std::uint64_t rounds) {
    rounds_ = rounds;
    telemetry_.refresh();
    nobody_has_flows_ = !telemetry_.engine_lives() && !telemetry_.flows_remain();
    flows_are_counted_ = telemetry_.counts_flows();
    acknowledged_ = telemetry_.lowest();
    for (auto& [identity, watch] : watches_) {
        watch.is_seen = false;
    }
    const bool is_changed =
        model.forget([this](const model::Service& service, const model::Backend& backend) {
            return is_gone(service, backend);
        });
    std::erase_if(watches_, [](const auto& entry) { return !entry.second.is_seen; });
    return is_changed;
}

bool Departures::is_gone(const model::Service& service, const model::Backend& backend) {
    const auto placement = publisher_.placement(service.config.name, backend.name, backend.address);
    if (nobody_has_flows_ || !placement) {
        return true;
    }
    const auto [entry, is_new] =
        watches_.try_emplace({service.config.name, backend.name, backend.address});
    Watch& watch = entry->second;
    watch.is_seen = true;
    if (is_new) {
        watch.generation = publisher_.generation();
    }
    const bool is_empty = flows_are_counted_ && acknowledged_ >= watch.generation &&
                          telemetry_.active_flows(placement->index) == 0;
    if (!is_empty) {
        watch.empty_since.reset();
        return false;
    }
    if (!watch.empty_since) {
        watch.empty_since = rounds_;
    }
    if (rounds_ < *watch.empty_since + kEmptyRounds) {
        return false;
    }
    watch.is_seen = false;
    return true;
}

}  // namespace fairlead::daemon
