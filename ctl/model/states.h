// The words for what a backend is told to do, how it is, and what it therefore gets.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fairlead::model {

// What the operator says.
enum class Admin : std::uint8_t {
    kReady,  // new flows, tracked flows, checked
    kDrain,  // tracked flows only, checked
    kMaint,  // nothing, not checked
};

// What the checks say. The numbers are kept in the `tables` segment for the next daemon: they are
// never given another meaning.
enum class Health : std::uint32_t {
    kUnknown = 0,    // no check has ended yet
    kUp = 1,         //
    kRising = 2,     // was down or unknown; passed, but not yet often enough
    kFalling = 3,    // was up; failed, but not yet often enough
    kDown = 4,       //
    kUnchecked = 5,  // the service has no check
};

// What follows from both.
enum class Effective : std::uint8_t {
    kServing,   // new flows come here
    kDraining,  // only tracked flows do
    kOut,       // no new flows; what becomes of tracked ones `why` tells
};

[[nodiscard]] std::string_view to_text(Admin admin) noexcept;
[[nodiscard]] std::string_view to_text(Health health) noexcept;
[[nodiscard]] std::string_view to_text(Effective effective) noexcept;
[[nodiscard]] std::optional<Admin> parse_admin(std::string_view text) noexcept;

// The number as it stands in a segment; kUnknown for any that has no meaning.
[[nodiscard]] Health health_from_number(std::uint32_t number) noexcept;

// What a backend that rises or falls is for a daemon that does not know how often it has passed or
// failed: what it was before.
[[nodiscard]] constexpr Health settled(Health health) noexcept {
    if (health == Health::kFalling) {
        return Health::kUp;
    }
    return health == Health::kRising ? Health::kDown : health;
}

// Whether new flows may go to a backend of this health. One that falls still may: a single failed
// check proves nothing, `fall` of them do. One that rises has not proved itself yet.
[[nodiscard]] constexpr bool takes_new_flows(Health health) noexcept {
    return health == Health::kUp || health == Health::kFalling || health == Health::kUnchecked;
}

}  // namespace fairlead::model
