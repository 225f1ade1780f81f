// What happens when a page of a mapped segment is not there: the program lives on.
//
// Our own writers allocate what they write and readers read nothing else, so this is for what
// others do: a file that somebody cuts short takes pages away under every mapping of it, and the
// kernel answers the next access by SIGBUS. The handler puts an empty page of the process's own in
// their place. What was read there is then zeros and what is written there is seen by nobody, which
// every reader of a segment must bear anyway; the owner notices by Segment::is_current(), and says
// so.
//
// Signals have no argument for it, so the list of mappings is a global: fixed, and atomic in every
// field. Thread: any. Nothing here is on the packet path, but for the handler itself where it hits
// a worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fairlead::shm {

// Installs the handler for this process. A SIGBUS elsewhere than in a segment ends the program as
// before.
void survive_missing_pages() noexcept;

// Pages that were put in so far.
[[nodiscard]] std::uint64_t missing_pages() noexcept;

// Says that these bytes are a mapping whose file has pages of this size, and that they no longer
// are. What finds no place in the list, of 64, is not watched over.
void watch_mapping(std::span<const std::byte> bytes, std::size_t page_bytes) noexcept;
void forget_mapping(std::span<const std::byte> bytes) noexcept;

}  // namespace fairlead::shm
