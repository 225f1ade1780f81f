// Which of our ports the tables mean by a number, by the ports' names.
//
// The daemon numbers ports in its own order, and the engine in that of the file as it was when the
// engine read it. A worker therefore asks each snapshot, which names the ports that it numbers.
// What the tables call a port that we do not have leads nowhere; a port of ours that the tables do
// not know gets a number behind all of theirs, for which the forwarding code finds no port record.
// Memory: an own copy of everything. Thread: the worker's.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "dp/base/ids.h"
#include "dp/shm/snapshot.h"

namespace fairlead::engine {

class PortNumbers {
  public:
    static constexpr std::size_t kNone = 0xFF;

    PortNumbers() = default;
    // Our ports, by position; at most kMaxPorts, the names no longer than shm::Name takes.
    explicit PortNumbers(std::span<const std::string> names) noexcept
        : count_(std::min<std::size_t>(names.size(), shm::kMaxPorts)) {
        for (std::size_t own = 0; own < count_; ++own) {
            const std::size_t length = std::min(names[own].size(), shm::kNameBytes - 1);
            std::copy_n(names[own].begin(), length, names_[own].begin());
        }
        follow({});
    }

    // Must be called for each new snapshot.
    void follow(const shm::Snapshot& snapshot) noexcept {
        own_.fill(static_cast<std::uint8_t>(kNone));
        for (std::size_t own = 0; own < count_; ++own) {
            std::size_t number = shm::kMaxPorts + own;
            for (std::size_t known = 0; known < snapshot.port_count; ++known) {
                if (own_[known] == kNone && snapshot.header->port_names[known] == names_[own]) {
                    number = known;
                    break;
                }
            }
            own_[number] = static_cast<std::uint8_t>(own);
            numbers_[own] = static_cast<std::uint8_t>(number);
        }
    }

    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    // The position of the port with this number; kNone where we have none.
    [[nodiscard]] std::size_t own(PortIndex number) const noexcept {
        return to_number(number) < own_.size() ? own_[to_number(number)] : kNone;
    }
    [[nodiscard]] PortIndex number(std::size_t own) const noexcept {
        return PortIndex{numbers_[own]};
    }

  private:
    std::array<shm::Name, shm::kMaxPorts> names_{};
    std::size_t count_ = 0;
    std::array<std::uint8_t, shm::kMaxPorts> numbers_{};
    std::array<std::uint8_t, std::size_t{2} * shm::kMaxPorts> own_{};
};

}  // namespace fairlead::engine
