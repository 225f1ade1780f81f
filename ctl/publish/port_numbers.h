// Which number each port has in the tables.
//
// A port keeps the number that it has in the predecessor's tables, whatever its place in the file
// is now: backends' words change in place, one by one, and a number must mean the same port before
// and after. A new port gets a number that nobody had, as long as there is one. The engine finds
// its own ports by the names beside the numbers (dp/engine/port_numbers.h).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/ids.h"
#include "dp/shm/tables.h"

namespace fairlead::publish {

class PortNumbers {
  public:
    // The names in the snapshot of a predecessor, by number; not trusted.
    void recover(std::span<const shm::Name> names);
    // Numbers for these ports. Names that are there already keep theirs; a port without a name gets
    // the first that is free. At most kMaxPorts.
    void follow(const std::vector<std::string_view>& names);

    // By the port's place in the list that follow() was given; a place beyond it is no port of the
    // tables.
    [[nodiscard]] PortIndex at(std::size_t place) const {
        return PortIndex{place < numbers_.size() ? numbers_[place] : std::uint8_t{0}};
    }
    // One more than the highest number in use.
    [[nodiscard]] std::uint32_t count() const;

  private:
    std::array<std::string, shm::kMaxPorts> names_;  // by number; "": nobody had it
    std::vector<std::uint8_t> numbers_;              // by place
};

}  // namespace fairlead::publish
