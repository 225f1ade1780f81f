#include "dp/engine/capture_session.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <new>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "dp/base/error_text.h"

namespace fairlead::engine {
namespace {

constexpr std::uint64_t kAllRingsBytes = 64U << 20U;
constexpr std::uint64_t kSmallestRingBytes = 512U << 10U;
constexpr std::uint64_t kLargestRingBytes = 4U << 20U;

std::uint64_t ring_bytes_for(std::uint32_t workers) {
    return std::clamp(
        std::bit_floor(kAllRingsBytes / workers), kSmallestRingBytes, kLargestRingBytes);
}

// Memory of the mapping as what lies there; it is zeroed, and offsets are multiples of a line.
template <typename T>
T* at(std::span<std::byte> memory, std::uint64_t offset) {
    return static_cast<T*>(static_cast<void*>(memory.data() + offset));
}

constexpr std::uint64_t padded(std::uint64_t bytes) {
    return (bytes + shm::kCaptureAlignment - 1) / shm::kCaptureAlignment * shm::kCaptureAlignment;
}

}  // namespace

void CaptureWriter::write(const shm::CaptureRecord& record, const std::uint8_t* bytes) noexcept {
    const std::uint64_t size = padded(sizeof record + record.captured);
    const std::uint64_t position = written_ & (ring_bytes_ - 1);
    const std::uint64_t to_end = ring_bytes_ - position;
    const std::uint64_t skipped = size <= to_end ? 0 : to_end;
    // Pairs with release().
    const std::uint64_t in_use = written_ - released_.load(std::memory_order_acquire);
    if (in_use + skipped + size > ring_bytes_) {
        lane_->lost[std::size_t{record.port} * shm::kCapturePoints + record.point].add(1);
        return;
    }
    if (skipped > 0) {
        const shm::CaptureRecord padding{.point = shm::kCapturePadding};
        std::memcpy(ring_ + position, &padding, sizeof padding);
        written_ += skipped;
    }
    std::byte* const place = ring_ + (written_ & (ring_bytes_ - 1));
    std::memcpy(place, &record, sizeof record);
    std::memcpy(place + sizeof record, bytes, record.captured);
    written_ += size;
}

void CaptureWriter::release(std::uint64_t position) noexcept {
    const std::uint64_t written = lane_->written.load(std::memory_order_relaxed);
    const std::uint64_t released = released_.load(std::memory_order_relaxed);
    if (position <= written && position >= released) {
        released_.store(position, std::memory_order_release);
    }
}

Result<std::unique_ptr<CaptureSession>> CaptureSession::make(
    const shm::CaptureRequest& request,
    std::uint32_t workers,
    std::span<const std::string> port_names) {
    std::unique_ptr<CaptureSession> session(new CaptureSession());
    session->points_ = request.points;
    session->snap_bytes_ = request.snap_bytes;
    session->filter_.assign(request.filter.begin(), request.filter.begin() + request.instructions);
    try {
        if (Status mapped = session->map(workers, port_names); !mapped) {
            return Unexpected{mapped.error()};
        }
        session->staging_.assign(workers,
                                 std::vector<std::uint8_t>(kBurstPackets * session->snap_bytes_));
    } catch (const std::bad_alloc&) {
        return fail("there is no memory for it");
    }
    return session;
}

Status CaptureSession::map(std::uint32_t workers, std::span<const std::string> port_names) {
    const std::uint64_t ring_bytes = ring_bytes_for(workers);
    const std::uint64_t stride = sizeof(shm::CaptureLane) + ring_bytes;
    const std::uint64_t size = sizeof(shm::CaptureHeader) + workers * stride;
    file_ = Descriptor(::memfd_create("fairlead-capture", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file_.is_open() || ::ftruncate(file_.get(), static_cast<off_t>(size)) != 0) {
        return fail(fmt::format("cannot make its memory: {}", error_text(errno)));
    }
    void* const start =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file_.get(), 0);
    if (start == MAP_FAILED) {
        return fail(fmt::format("cannot map its memory: {}", error_text(errno)));
    }
    memory_ = {static_cast<std::byte*>(start), size};
    // Our mapping stays writable; whoever maps it from now on cannot write.
    if (::fcntl(file_.get(),
                F_ADD_SEALS,
                F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0) {
        return fail(fmt::format("cannot seal its memory: {}", error_text(errno)));
    }
    shm::CaptureHeader header;
    header.lanes = workers;
    header.ring_bytes = ring_bytes;
    header.lane_stride = stride;
    header.lanes_offset = sizeof(shm::CaptureHeader);
    header.port_count =
        static_cast<std::uint32_t>(std::min<std::size_t>(port_names.size(), shm::kMaxPorts));
    for (std::size_t port = 0; port < header.port_count; ++port) {
        shm::Name& name = header.port_names.at(port);
        std::copy_n(port_names[port].begin(),
                    std::min(port_names[port].size(), name.size() - 1),
                    name.begin());
    }
    header.tsc_per_second = std::max<std::uint64_t>(rte_get_tsc_hz(), 1);
    header.start_tsc = rte_rdtsc();
    header.start_epoch_ns =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                       std::chrono::system_clock::now().time_since_epoch())
                                       .count());
    *at<shm::CaptureHeader>(memory_, 0) = header;
    for (std::uint32_t worker = 0; worker < workers; ++worker) {
        const std::uint64_t offset = header.lanes_offset + worker * stride;
        writers_.push_back(std::make_unique<CaptureWriter>(
            *at<shm::CaptureLane>(memory_, offset),
            memory_.subspan(offset + sizeof(shm::CaptureLane), ring_bytes)));
    }
    return {};
}

CaptureSession::~CaptureSession() {
    if (!memory_.empty()) {
        (void)::munmap(memory_.data(), memory_.size());
    }
}

std::string check_request(const shm::CaptureRequest& request, std::size_t bytes) {
    constexpr std::size_t kFixedBytes = offsetof(shm::CaptureRequest, filter);
    if (bytes < kFixedBytes || request.fingerprint != shm::kCaptureFingerprint) {
        return "lbctl and lbdp are of different versions: see `lbctl version`, install the same, "
               "restart lbdp";
    }
    if (request.instructions > kMaxFilterInstructions) {
        return fmt::format("the filter has {} instructions, and at most {} are taken: simplify it",
                           request.instructions,
                           kMaxFilterInstructions);
    }
    if (bytes != kFixedBytes + request.instructions * sizeof(FilterInstruction)) {
        return "the request ends too early or too late";
    }
    if (request.instructions > 0 && !check_filter({request.filter.data(), request.instructions})) {
        return "the filter is not a sound program of classic BPF";
    }
    const std::uint32_t known = (1U << shm::kCapturePoints) - 1;
    if (request.points == 0 || (request.points & ~known) != 0) {
        return "the request names no point, or one that there is not";
    }
    if (request.snap_bytes == 0 || request.snap_bytes > shm::kMaxSnapBytes) {
        return fmt::format("of a packet, 1 to {} bytes are taken", shm::kMaxSnapBytes);
    }
    if (request.seconds == 0 || request.seconds > shm::kMaxCaptureSeconds) {
        return fmt::format("a capture lasts 1 to {} seconds", shm::kMaxCaptureSeconds);
    }
    return "";
}

}  // namespace fairlead::engine
