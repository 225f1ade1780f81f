// Reading a plain field of memory that another program may write at the same time.
//
// Shared tables are immutable while they are in force, so their fields need no atomics. But a
// checked value must be the value that is used, even if somebody scribbles over the segment, and a
// compiler may load a plain field twice: once for the check and once for the use.
#pragma once

#include <type_traits>

namespace fairlead {

// The field's value, loaded exactly once. Any value may come out; a torn one for more than 8 bytes.
template <typename T>
[[nodiscard]] inline T read_once(const T& field) noexcept {
    static_assert(std::is_scalar_v<T>);
    return *static_cast<const volatile T*>(&field);
}

}  // namespace fairlead
