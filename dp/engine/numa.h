// Which memory is beside which CPU, and putting pages there. Linux's own calls, without libnuma.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dp/base/result.h"

namespace fairlead::engine {

// Whether there is any choice.
[[nodiscard]] bool has_several_nodes();

// nullopt where the kernel does not tell.
[[nodiscard]] std::optional<unsigned> node_of(std::uint32_t cpu);

// Moves the pages that lie wholly inside these bytes of a mapping to the node, as far as it has
// room, and lets later ones come from there.
[[nodiscard]] Status prefer_node(std::span<std::byte> bytes, unsigned node);

}  // namespace fairlead::engine
