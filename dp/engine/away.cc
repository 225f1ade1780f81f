// The control thread's part in what the steering programs do without an engine (engine_state.h).
#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "dp/base/log.h"
#include "dp/engine/engine_state.h"

namespace fairlead::engine {
namespace {

// Tables of thousands of services come in many generations.
constexpr std::chrono::seconds kSayAgain{10};

}  // namespace

Status Engine::State::open_away() {
    Result<SteerAway> opened = SteerAway::open(pin_directory_);
    if (!opened) {
        return Unexpected{opened.error()};
    }
    away_maps_ = std::move(*opened);
    const auto put = [this](const steer_service_key& key, const steer_service* service) {
        return service == nullptr ? away_maps_->remove(key) : away_maps_->put(key, *service);
    };
    away_.emplace(AwayMaps{.rings = away_maps_->rings(),
                           .backends = away_maps_->backends(),
                           .ports = away_maps_->ports(),
                           .put = put},
                  away_maps_->services());
    return {};
}

void Engine::State::follow_away() {
    if (!away_) {
        return;
    }
    const shm::Snapshot snapshot = tables_->reader.snapshot();
    away_->set_interfaces(interfaces_by_number(snapshot));
    const Status mirrored = away_->follow(tables_->reader, snapshot);
    if (!mirrored && !said_away_) {
        log_warning("not-mirrored-for-restarts", {{"reason", mirrored.error().message}});
    }
    said_away_ = !mirrored;
    const std::size_t without_room = away_->without_room();
    said_without_room_ = std::min(said_without_room_, without_room);
    const auto now = std::chrono::steady_clock::now();
    if (without_room > said_without_room_ && now - said_without_room_at_ > kSayAgain) {
        said_without_room_ = without_room;
        said_without_room_at_ = now;
        log_warning("services-stop-with-the-engine",
                    {{"services", without_room},
                     {"reason",
                      "while lbdp is away the steering program forwards for so many services at "
                      "most; the rest is dropped until it is back"},
                     {"limit", static_cast<int>(STEER_MAX_RINGS)}});
    }
    away_scan_.note_change(std::chrono::steady_clock::now());
}

void Engine::State::refresh_away() {
    if (!away_) {
        return;
    }
    // Nothing is known of the backends before: what the last engine has left is still the best.
    if (tables_ && follow_.generation.load(std::memory_order_relaxed) != 0) {
        const shm::Snapshot snapshot = tables_->reader.snapshot();
        away_->set_interfaces(interfaces_by_number(snapshot));
        away_->refresh(tables_->reader, snapshot);
    }
}

std::vector<unsigned> Engine::State::interfaces_by_number(const shm::Snapshot& snapshot) const {
    const PortNumbers numbers = numbers_in(snapshot);
    std::vector<unsigned> indexes(snapshot.port_count, 0);
    for (std::size_t number = 0; number < indexes.size(); ++number) {
        const std::size_t own = numbers.own(PortIndex{static_cast<std::uint8_t>(number)});
        if (own < ports_.size()) {
            indexes[number] = ports_[own]->interface_index();
        }
    }
    return indexes;
}

void Engine::State::turn_away(std::chrono::steady_clock::time_point now) {
    const std::uint64_t generation = follow_.generation.load(std::memory_order_relaxed);
    if (!away_ || generation == 0) {
        return;
    }
    away_maps_->beat().show_life();
    if (away_scan_.is_due(*away_, now)) {
        bool have_all_followed = true;
        for (std::uint32_t number = 0; number < worker_count(); ++number) {
            // Pairs with the worker's release: the flows that it began by an older ring are there.
            have_all_followed = have_all_followed && telemetry_->worker(number).acknowledged.load(
                                                         std::memory_order_acquire) >= generation;
        }
        if (have_all_followed) {
            away_scan_.begin(tables_to_scan());
        }
    }
    away_scan_.step(*away_, tables_->reader, now);
}

AwayScan::Tables Engine::State::tables_to_scan() const {
    AwayScan::Tables tables;
    for (std::uint32_t number = 0; number < worker_count(); ++number) {
        tables.emplace_back(flows_->table(number));
    }
    if (telemetry_->header().searches_old_flows.load(std::memory_order_relaxed) != 0) {
        for (const FlowTableView& old : flows_->old_tables()) {
            tables.push_back(old.buckets());
        }
    }
    return tables;
}

}  // namespace fairlead::engine
