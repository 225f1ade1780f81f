#include "dp/shm/missing_page.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <csignal>

#include <sys/mman.h>

namespace fairlead::shm {

namespace {

// `start` is stored last and cleared first; 0 is a free place, 1 one that is being filled.
struct Watched {
    std::atomic<std::uintptr_t> start;
    std::atomic<std::uintptr_t> end;
    std::atomic<std::size_t> page_bytes;
};
constexpr std::uintptr_t kFree = 0;
constexpr std::uintptr_t kFilling = 1;
constexpr std::size_t kMappings = 64;

// Zeros from the start, without a constructor; read by the signal handler.
std::array<Watched, kMappings> watched;
std::atomic<std::uint64_t> pages_put_in;

// Maps an empty page over the one at `address`. Only what a signal handler may call.
bool put_page_in(std::uintptr_t address) noexcept {
    for (const Watched& mapping : watched) {
        const std::uintptr_t start = mapping.start.load(std::memory_order_acquire);
        const std::uintptr_t end = mapping.end.load(std::memory_order_relaxed);
        if (start <= kFilling || address < start || address >= end) {
            continue;
        }
        // A mapping begins on a page of the machine; with larger ones in the file, perhaps not on
        // one of those.
        const std::size_t page_bytes = mapping.page_bytes.load(std::memory_order_relaxed);
        const std::uintptr_t first = std::max(start, address / page_bytes * page_bytes);
        const std::uintptr_t last = std::min(end, (address / page_bytes + 1) * page_bytes);
        void* const place = std::bit_cast<void*>(first);
        if (::mmap(place,
                   last - first,
                   PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                   -1,
                   0) == MAP_FAILED) {
            return false;
        }
        pages_put_in.fetch_add(1, std::memory_order_relaxed);
        return true;
    }
    return false;
}

void on_bus_error(int signal, siginfo_t* info, void* /*context*/) {
    const int before = errno;
    // BUS_ADRERR: the file has no such page, or no memory for it. Broken memory is another matter.
    const bool is_mended =
        info->si_code == BUS_ADRERR && put_page_in(std::bit_cast<std::uintptr_t>(info->si_addr));
    errno = before;
    if (!is_mended) {
        // The access is made again, and ends the program as it would have without us.
        struct sigaction usual {};
        usual.sa_handler = SIG_DFL;
        ::sigaction(signal, &usual, nullptr);
    }
}

}  // namespace

void survive_missing_pages() noexcept {
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    ::sigaction(SIGBUS, &action, nullptr);
}

std::uint64_t missing_pages() noexcept {
    return pages_put_in.load(std::memory_order_relaxed);
}

void watch_mapping(std::span<const std::byte> bytes, std::size_t page_bytes) noexcept {
    const auto start = std::bit_cast<std::uintptr_t>(bytes.data());
    for (Watched& mapping : watched) {
        std::uintptr_t expected = kFree;
        if (mapping.start.compare_exchange_strong(expected, kFilling)) {
            mapping.end.store(start + bytes.size(), std::memory_order_relaxed);
            mapping.page_bytes.store(page_bytes, std::memory_order_relaxed);
            mapping.start.store(start, std::memory_order_release);
            return;
        }
    }
}

void forget_mapping(std::span<const std::byte> bytes) noexcept {
    std::uintptr_t start = std::bit_cast<std::uintptr_t>(bytes.data());
    for (Watched& mapping : watched) {
        if (mapping.start.compare_exchange_strong(start, kFree)) {
            return;
        }
        start = std::bit_cast<std::uintptr_t>(bytes.data());
    }
}

}  // namespace fairlead::shm
