// Room for a burst's values on the stack, without the time to fill it with zeros first.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <type_traits>

namespace fairlead {

// N values of T that hold anything until they are written. Requires that whoever reads one has
// written it before.
template <typename T, std::size_t N>
class Uninitialized {
    static_assert(std::is_aggregate_v<T> && std::is_trivially_destructible_v<T>,
                  "its life begins with the memory's");

  public:
    Uninitialized() noexcept {}  // NOLINT(*-member-init,*-use-equals-default): that is the point

    // Requires count <= N.
    [[nodiscard]] std::span<T> first(std::size_t count) noexcept {
        return {static_cast<T*>(static_cast<void*>(bytes_.data())), count};
    }

  private:
    alignas(T) std::array<std::byte, N * sizeof(T)> bytes_;
};

}  // namespace fairlead
