#include "dp/engine/numa.h"

#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <climits>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dp/base/error_text.h"

namespace fairlead::engine {
namespace {

constexpr unsigned kMaxNodes = 1'024;
// Also right for usual pages: what does not fill one at an edge belongs to two workers anyway.
constexpr std::uintptr_t kAlignment = 2U << 20U;
constexpr std::string_view kNodePrefix = "node";

}  // namespace

bool has_several_nodes() {
    std::error_code error;
    return std::filesystem::exists("/sys/devices/system/node/node1", error);
}

std::optional<unsigned> node_of(std::uint32_t cpu) {
    std::error_code error;
    const std::string directory = fmt::format("/sys/devices/system/cpu/cpu{}", cpu);
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
        const std::string name = entry.path().filename();
        unsigned node = 0;
        if (name.starts_with(kNodePrefix) &&
            std::from_chars(name.data() + kNodePrefix.size(), name.data() + name.size(), node).ec ==
                std::errc()) {
            return node;
        }
    }
    return std::nullopt;
}

Status prefer_node(std::span<std::byte> bytes, unsigned node) {
    if (node >= kMaxNodes) {
        return fail(fmt::format("node {} is beyond the {} that are known", node, kMaxNodes));
    }
    const auto start = std::bit_cast<std::uintptr_t>(bytes.data());
    const std::uintptr_t first = (start + kAlignment - 1) / kAlignment * kAlignment;
    const std::uintptr_t end = (start + bytes.size()) / kAlignment * kAlignment;
    if (first >= end) {
        return {};  // smaller than that: it stays where it is
    }
    constexpr unsigned kBits = sizeof(unsigned long) * CHAR_BIT;
    std::array<unsigned long, kMaxNodes / kBits> nodes{};
    nodes.at(node / kBits) |= 1UL << (node % kBits);
    // The kernel takes one bit fewer than it is told.
    if (::syscall(SYS_mbind,
                  first,
                  end - first,
                  MPOL_PREFERRED,
                  nodes.data(),
                  kMaxNodes + 1UL,
                  MPOL_MF_MOVE) != 0) {
        return fail(fmt::format("cannot move memory to node {}: {}", node, error_text(errno)));
    }
    return {};
}

}  // namespace fairlead::engine
