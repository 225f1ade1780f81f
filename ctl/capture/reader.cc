#include "ctl/capture/reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "dp/base/error_text.h"

namespace fairlead::capture {
namespace {

constexpr timeval kAnswerTime{5, 0};

Unexpected<ReaderError> problem(Problem kind, std::string message) {
    return {ReaderError{kind, std::move(message)}};
}

Result<Descriptor, ReaderError> connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return problem(Problem::kBroken, path + " is too long for a socket's path");
    }
    std::memcpy(&address.sun_path, path.data(), path.size());
    Descriptor descriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!descriptor.is_open()) {
        return problem(Problem::kBroken, "cannot make a socket: " + error_text(errno));
    }
    (void)::setsockopt(descriptor.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTime, sizeof kAnswerTime);
    if (::connect(descriptor.get(),
                  static_cast<const sockaddr*>(static_cast<const void*>(&address)),
                  sizeof address) == 0) {
        return descriptor;
    }
    const int error = errno;
    if (error == EACCES || error == EPERM) {
        return problem(Problem::kNotAllowed,
                       "permission denied for " + path +
                           ": captures are for root and members of group fairlead");
    }
    const bool is_absent = error == ENOENT || error == ENOTDIR || error == ECONNREFUSED;
    return problem(is_absent ? Problem::kNoEngine : Problem::kBroken,
                   path + ": " + error_text(error));
}

// The answer, and the descriptor that came with it, if any.
std::pair<shm::CaptureAnswer, Descriptor> read_answer(int descriptor) {
    shm::CaptureAnswer answer;
    iovec part{&answer, sizeof answer};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto receive = [&] {
        return ::recvmsg(descriptor, &message, MSG_CMSG_CLOEXEC);
    };
    ssize_t bytes = receive();
    if (bytes < 0 && errno == ECONNRESET) {
        bytes = receive();  // refused before our request was read: the answer stands behind that
    }
    if (bytes != static_cast<ssize_t>(sizeof answer)) {
        answer = {};
        constexpr std::string_view kText = "lbdp did not answer; it may be of another version";
        std::copy(kText.begin(), kText.end(), answer.message.begin());
        return {answer, Descriptor()};
    }
    int received = -1;
    const cmsghdr* const header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
        std::memcpy(&received, CMSG_DATA(header), sizeof received);
    }
    return {answer, Descriptor(received)};
}

// An object of the mapping; its place was checked by map().
template <typename T>
const T* at(std::span<const std::byte> memory, std::uint64_t offset) {
    return static_cast<const T*>(static_cast<const void*>(memory.data() + offset));
}

}  // namespace

Result<Reader, ReaderError> Reader::start(const std::string& run_dir,
                                          const shm::CaptureRequest& request) {
    Result<Descriptor, ReaderError> connected = connect_to(run_dir + "/" + shm::kEngineSocket);
    if (!connected) {
        return Unexpected{connected.error()};
    }
    Reader reader;
    reader.socket_ = std::move(*connected);
    const std::size_t bytes =
        offsetof(shm::CaptureRequest, filter) + request.instructions * sizeof(FilterInstruction);
    // A refusal may have come already: then sending fails, and the answer says why.
    (void)::send(reader.socket_.get(), &request, bytes, MSG_NOSIGNAL);
    const auto [answer, descriptor] = read_answer(reader.socket_.get());
    if (answer.is_accepted == 0 || !descriptor.is_open()) {
        return problem(
            Problem::kRefused,
            {answer.message.data(), ::strnlen(answer.message.data(), answer.message.size())});
    }
    if (const Status mapped = reader.map(descriptor.get()); !mapped) {
        return problem(Problem::kBroken, mapped.error().message);
    }
    return reader;
}

Reader::~Reader() {
    if (!memory_.empty()) {
        (void)::munmap(memory_.data(), memory_.size());
    }
}

Reader::Reader(Reader&& other) noexcept
    : socket_(std::move(other.socket_)),
      memory_(std::exchange(other.memory_, {})),
      positions_(std::move(other.positions_)) {}

Reader& Reader::operator=(Reader&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(memory_, other.memory_);
    std::swap(positions_, other.positions_);
    return *this;
}

Status Reader::map(int descriptor) {
    struct stat status {};
    if (::fstat(descriptor, &status) != 0 ||
        status.st_size < static_cast<off_t>(sizeof(shm::CaptureHeader))) {
        return fail("the engine's memory is too small");
    }
    const auto size = static_cast<std::size_t>(status.st_size);
    void* const start = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (start == MAP_FAILED) {
        return fail("cannot map the engine's memory: " + error_text(errno));
    }
    memory_ = {static_cast<std::byte*>(start), size};
    const shm::CaptureHeader& head = header();
    const bool is_sound =
        head.lanes > 0 && head.lanes <= shm::kMaxWorkers && head.port_count <= shm::kMaxPorts &&
        head.lanes_offset == sizeof(shm::CaptureHeader) && std::has_single_bit(head.ring_bytes) &&
        head.ring_bytes % kCacheLineBytes == 0 && head.ring_bytes < size &&
        head.lane_stride == sizeof(shm::CaptureLane) + head.ring_bytes &&
        head.lanes_offset + head.lanes * head.lane_stride <= size && head.tsc_per_second > 0;
    if (!is_sound) {
        return fail("the engine's memory says that it holds more than it does");
    }
    positions_.assign(head.lanes, 0);
    return {};
}

const shm::CaptureHeader& Reader::header() const {
    return *at<shm::CaptureHeader>(memory_, 0);
}

const shm::CaptureLane& Reader::lane(std::uint32_t worker) const {
    return *at<shm::CaptureLane>(memory_, header().lanes_offset + worker * header().lane_stride);
}

Status Reader::collect(std::uint32_t worker, std::vector<Found>& found) {
    const std::uint64_t ring_bytes = header().ring_bytes;
    const std::uint64_t start =
        header().lanes_offset + worker * header().lane_stride + sizeof(shm::CaptureLane);
    // Pairs with the worker's release: the records before this position are whole.
    const std::uint64_t written = lane(worker).written.load(std::memory_order_acquire);
    std::uint64_t& position = positions_[worker];
    while (position < written) {
        const std::uint64_t offset = position & (ring_bytes - 1);
        const std::uint64_t to_end = ring_bytes - offset;
        const auto* const record = at<shm::CaptureRecord>(memory_, start + offset);
        if (record->point == shm::kCapturePadding) {
            position += to_end;
            continue;
        }
        const std::uint64_t size =
            (sizeof *record + record->captured + shm::kCaptureAlignment - 1) /
            shm::kCaptureAlignment * shm::kCaptureAlignment;
        if (record->captured > shm::kMaxSnapBytes || size > to_end || size > written - position ||
            record->point >= shm::kCapturePoints || record->port >= shm::kMaxPorts ||
            record->reason >= kDropReasonCount) {
            return fail(fmt::format("worker {} left something that is no packet", worker));
        }
        found.push_back({record, worker});
        position += size;
    }
    return {};
}

std::uint64_t Reader::epoch_ns_of(std::uint64_t tsc) const {
    constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    const std::uint64_t ticks = tsc > header().start_tsc ? tsc - header().start_tsc : 0;
    const std::uint64_t rate = header().tsc_per_second;
    return header().start_epoch_ns + ticks / rate * kNsPerSecond +
           ticks % rate * kNsPerSecond / rate;
}

Status Reader::take(const std::function<bool(const Sighting&)>& see) {
    std::vector<Found> found;
    for (std::uint32_t worker = 0; worker < positions_.size(); ++worker) {
        if (Status collected = collect(worker, found); !collected) {
            return collected;
        }
    }
    if (found.empty()) {
        if (is_untold_) {
            tell_progress();
        }
        return {};
    }
    std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
        return a.record->tsc < b.record->tsc;
    });
    for (const Found& each : found) {
        const shm::CaptureRecord& record = *each.record;
        const auto* const bytes =
            static_cast<const std::uint8_t*>(static_cast<const void*>(each.record + 1));
        if (!see({static_cast<shm::CapturePoint>(record.point),
                  record.port,
                  each.worker,
                  epoch_ns_of(record.tsc),
                  record.length,
                  {bytes, record.captured},
                  static_cast<DropReason>(record.reason)})) {
            break;
        }
    }
    tell_progress();
    return {};
}

void Reader::tell_progress() {
    is_untold_ = ::send(socket_.get(),
                        positions_.data(),
                        positions_.size() * sizeof positions_[0],
                        MSG_DONTWAIT | MSG_NOSIGNAL) < 0;
}

bool Reader::wait(std::chrono::milliseconds longest) const {
    pollfd watched{socket_.get(), POLLIN, 0};
    return ::poll(&watched, 1, static_cast<int>(longest.count())) <= 0 || watched.revents == 0;
}

std::uint32_t Reader::port_count() const {
    return header().port_count;
}

std::string Reader::port_name(std::size_t port) const {
    const auto& name = header().port_names.at(port);
    return {name.data(), ::strnlen(name.data(), name.size())};
}

std::uint64_t Reader::lost(std::size_t port, shm::CapturePoint point) const {
    std::uint64_t sum = 0;
    for (std::uint32_t worker = 0; worker < positions_.size(); ++worker) {
        sum += lane(worker)
                   .lost.at(port * shm::kCapturePoints + static_cast<std::size_t>(point))
                   .get();
    }
    return sum;
}

}  // namespace fairlead::capture
