// Classic BPF: the filters that libpcap makes of a tcpdump expression, checked and run.
//
// The machine is that of McCanne and Jacobson, "The BSD Packet Filter" (USENIX Winter 1993): an
// accumulator, an index register and sixteen words of memory. Jumps lead forward only, so a program
// ends within as many steps as it has instructions; a load outside the packet ends it without a
// match. Programs come from another process: check_filter() takes none that could do anything else.
//
// Thread: any; no state. Packet path: no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fairlead {

// As struct bpf_insn of libpcap.
struct FilterInstruction {
    std::uint16_t code = 0;
    std::uint8_t jump_true = 0;
    std::uint8_t jump_false = 0;
    std::uint32_t k = 0;
};
static_assert(sizeof(FilterInstruction) == 8);

// A microsecond of work a packet at the most. Expressions of a line take some dozens.
inline constexpr std::size_t kMaxFilterInstructions = 512;

// Whether the program may be run: known instructions, jumps inside it, and a return at its end.
[[nodiscard]] bool check_filter(std::span<const FilterInstruction> program) noexcept;

// Whether the packet matches: the program returns anything but 0. An empty program matches all.
// Requires check_filter() or an empty program.
[[nodiscard]] bool matches_filter(std::span<const FilterInstruction> program,
                                  std::span<const std::uint8_t> packet) noexcept;

}  // namespace fairlead
