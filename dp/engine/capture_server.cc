#include "dp/engine/capture_server.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dp/base/error_text.h"
#include "dp/base/log.h"

namespace fairlead::engine {
namespace {

constexpr std::chrono::seconds kRequestTime{2};
constexpr int kBacklog = 4;
constexpr int kMessagesATurn = 16;
constexpr std::size_t kGroupRecordBytes = 16'384;

// Group `fairlead` may connect beside root, where the host has such a group.
void give_to_group(const std::string& path) {
    std::vector<char> buffer(kGroupRecordBytes);
    group record{};
    group* found = nullptr;
    if (::getgrnam_r("fairlead", &record, buffer.data(), buffer.size(), &found) == 0 &&
        found != nullptr && ::chown(path.c_str(), static_cast<uid_t>(-1), record.gr_gid) != 0) {
        log_warning("socket-is-root's", {{"path", path}, {"reason", error_text(errno)}});
    }
}

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return fail(fmt::format("{} is too long for a socket's path: {} bytes at most",
                                path,
                                sizeof address.sun_path - 1));
    }
    std::memcpy(&address.sun_path, path.data(), path.size());
    return address;
}

// An answer, and the descriptor of the session's memory if it is accepted.
void answer(int reader, const std::string& problem, int descriptor) {
    shm::CaptureAnswer answer;
    answer.is_accepted = problem.empty() ? 1 : 0;
    std::copy_n(problem.begin(),
                std::min(problem.size(), answer.message.size() - 1),
                answer.message.begin());
    iovec part{&answer, sizeof answer};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (problem.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof descriptor);
        std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    // A reader that is gone by now is seen at the next turn.
    (void)::sendmsg(reader, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

pid_t process_of(int socket) {
    ucred credentials{};
    socklen_t bytes = sizeof credentials;
    (void)::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes);
    return credentials.pid;
}

}  // namespace

Result<std::unique_ptr<CaptureServer>> CaptureServer::open(const std::string& run_dir,
                                                           std::uint32_t workers,
                                                           std::vector<std::string> port_names) {
    std::unique_ptr<CaptureServer> server(new CaptureServer());
    server->path_ = run_dir + "/" + shm::kEngineSocket;
    server->port_names_ = std::move(port_names);
    for (std::uint32_t worker = 0; worker < workers; ++worker) {
        server->orders_.push_back(std::make_unique<CaptureOrder>());
    }
    const Result<sockaddr_un> address = address_of(server->path_);
    if (!address) {
        return Unexpected{address.error()};
    }
    server->listener_ =
        Descriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int listener = server->listener_.get();
    (void)::unlink(server->path_.c_str());  // this engine holds the run directory's lock
    // The mode counts for the name that bind() makes, so it is never open to all.
    if (listener < 0 || ::fchmod(listener, 0660) != 0 ||
        ::bind(listener,
               static_cast<const sockaddr*>(static_cast<const void*>(&*address)),
               sizeof *address) != 0) {
        return fail(fmt::format("cannot listen on {}: {}", server->path_, error_text(errno)));
    }
    (void)::chmod(server->path_.c_str(), 0660);  // whatever the umask
    give_to_group(server->path_);
    if (::listen(listener, kBacklog) != 0) {
        return fail(fmt::format("cannot listen on {}: {}", server->path_, error_text(errno)));
    }
    return server;
}

CaptureServer::~CaptureServer() {
    if (listener_.is_open()) {
        (void)::unlink(path_.c_str());
    }
}

void CaptureServer::turn(Clock::time_point now) {
    if (is_ending_) {
        free_if_unused();
    } else if (session_) {
        read_progress(now);
    } else if (reader_.is_open()) {
        read_request(now);
    }
    if (!is_ending_) {  // else who has just come waits for a turn
        accept_reader(now);
    }
}

void CaptureServer::accept_reader(Clock::time_point now) {
    Descriptor reader(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!reader.is_open()) {
        return;
    }
    if (reader_.is_open()) {
        answer(reader.get(),
               fmt::format("another capture runs, of process {}: end it, or wait",
                           process_of(reader_.get())),
               -1);
        return;
    }
    reader_ = std::move(reader);
    deadline_ = now + kRequestTime;
}

void CaptureServer::read_request(Clock::time_point now) {
    shm::CaptureRequest request;
    const ssize_t bytes = ::recv(reader_.get(), &request, sizeof request, MSG_DONTWAIT | MSG_TRUNC);
    if (bytes > 0) {
        start(request, static_cast<std::size_t>(bytes), now);
    } else if (bytes == 0 || errno != EAGAIN || now > deadline_) {
        reader_.close();
    }
}

void CaptureServer::start(const shm::CaptureRequest& request,
                          std::size_t bytes,
                          Clock::time_point now) {
    std::string problem = check_request(request, bytes);
    if (problem.empty()) {
        auto session =
            CaptureSession::make(request, static_cast<std::uint32_t>(orders_.size()), port_names_);
        if (session) {
            session_ = std::move(*session);
        } else {
            problem = session.error().message;
        }
    }
    answer(reader_.get(), problem, problem.empty() ? session_->descriptor() : -1);
    if (!problem.empty()) {
        reader_.close();
        return;
    }
    deadline_ = now + std::chrono::seconds(request.seconds);
    for (const auto& order : orders_) {
        order->offer(session_.get());
    }
    log_info("capture-started", {{"pid", process_of(reader_.get())}, {"seconds", request.seconds}});
}

void CaptureServer::read_progress(Clock::time_point now) {
    std::array<std::uint64_t, shm::kMaxWorkers> positions{};
    for (int message = 0; message < kMessagesATurn; ++message) {
        const ssize_t bytes =
            ::recv(reader_.get(), positions.data(), sizeof positions, MSG_DONTWAIT);
        if (bytes < 0 && errno == EAGAIN) {
            break;
        }
        if (bytes <= 0) {
            finish();
            return;
        }
        const std::size_t count = std::min<std::size_t>(
            static_cast<std::size_t>(bytes) / sizeof positions[0], session_->lanes());
        for (std::size_t lane = 0; lane < count; ++lane) {
            session_->writer(WorkerIndex{static_cast<std::uint16_t>(lane)})
                .release(positions[lane]);
        }
    }
    if (now >= deadline_) {
        finish();
    }
}

// The reader is let go last: what it maps stays its own.
void CaptureServer::finish() {
    for (const auto& order : orders_) {
        order->offer(nullptr);
    }
    is_ending_ = true;
    free_if_unused();
}

void CaptureServer::free_if_unused() {
    const bool is_used = std::any_of(
        orders_.begin(), orders_.end(), [](const auto& order) { return order->is_held(); });
    if (is_used) {
        return;
    }
    is_ending_ = false;
    reader_.close();
    session_.reset();
    log_info("capture-ended");
}

}  // namespace fairlead::engine
