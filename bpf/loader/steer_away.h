// The maps by which bpf/steer.bpf.c forwards while no engine runs (bpf/abi/steer_away.h): made,
// pinned, and mapped into this process.
//
// Pinned beside the map of VIPs as "services", "rings", "backends", "ports" and "beat", one set for
// all interfaces; SteerLoader::load() takes them by their pins. A set is a fixed 9 MiB of the
// kernel's memory.
//
// Ownership: a SteerAway owns its descriptors and mappings; spans end with it. One thread at a
// time.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bpf/abi/steer.h"
#include "bpf/abi/steer_away.h"
#include "dp/base/descriptor.h"
#include "dp/base/result.h"

namespace fairlead {

// After what time without a beat an engine is away: some steps of the clock that beats are read
// from (bpf/abi/steer_away.h), and 5 ms at least.
[[nodiscard]] std::uint32_t steer_late_ns();

// The sign of life. Any thread, each of its own copy; it ends with the mapping.
class SteerBeat {
  public:
    SteerBeat() = default;  // nowhere
    explicit SteerBeat(steer_beat* beat) : beat_(beat) {}

    // A store, and the time without a system call.
    void show_life() const noexcept;

  private:
    steer_beat* beat_ = nullptr;
};

struct SteerAwayService {
    steer_service_key key{};
    steer_service service{};
};

class SteerAway {
  public:
    // Takes the pinned maps over with what they hold, or makes and pins them.
    [[nodiscard]] static Result<SteerAway> open(const std::string& pin_directory);
    // Of maps that are there: services, rings, backends, ports, beat. Takes the descriptors.
    using Maps = std::array<Descriptor, 5>;
    [[nodiscard]] static Result<SteerAway> of(Maps maps);

    [[nodiscard]] std::span<steer_ring> rings() const noexcept {
        return {static_cast<steer_ring*>(rings_.get()), STEER_MAX_RINGS};
    }
    [[nodiscard]] std::span<steer_backend> backends() const noexcept {
        return {static_cast<steer_backend*>(backends_.get()), STEER_MAX_BACKENDS};
    }
    [[nodiscard]] std::span<steer_port> ports() const noexcept {
        return {static_cast<steer_port*>(ports_.get()), STEER_MAX_PORTS};
    }
    [[nodiscard]] SteerBeat beat() const noexcept {
        return SteerBeat(static_cast<steer_beat*>(beat_.get()));
    }

    // What the map of services holds.
    [[nodiscard]] std::vector<SteerAwayService> services() const;
    // In one step: the program sees the old record or the new one.
    [[nodiscard]] Status put(const steer_service_key& key, const steer_service& service) const;
    // Nothing where it is not there.
    [[nodiscard]] Status remove(const steer_service_key& key) const;

  private:
    struct Unmap {
        std::size_t bytes;
        void operator()(void* start) const noexcept;
    };
    using Mapping = std::unique_ptr<void, Unmap>;
    [[nodiscard]] static Mapping map(int fd, std::size_t bytes);

    SteerAway() = default;

    Descriptor services_;
    Mapping rings_{nullptr, Unmap{0}};
    Mapping backends_{nullptr, Unmap{0}};
    Mapping ports_{nullptr, Unmap{0}};
    Mapping beat_{nullptr, Unmap{0}};
};

}  // namespace fairlead
