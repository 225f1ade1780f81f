// The engine's socket: takes a request for a capture, runs it, ends it. One at a time.
//
// Who may connect is said by the socket's permissions: root and group `fairlead`. turn() is called
// by the control thread some hundred times a second and never waits, but for the moment in which a
// session's memory is made. A session ends when its reader closes the connection, when its time is
// over, or with the engine; its memory goes when every worker has let go of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dp/base/descriptor.h"
#include "dp/base/result.h"
#include "dp/engine/capture_session.h"
#include "dp/engine/capture_tap.h"

namespace fairlead::engine {

class CaptureServer {
  public:
    using Clock = std::chrono::steady_clock;

    // Listens on `run_dir`/lbdp.sock, which an engine that was killed may have left. Error: the
    // socket cannot be made.
    [[nodiscard]] static Result<std::unique_ptr<CaptureServer>> open(
        const std::string& run_dir, std::uint32_t workers, std::vector<std::string> port_names);
    // No worker may run any more.
    ~CaptureServer();
    CaptureServer(const CaptureServer&) = delete;
    CaptureServer& operator=(const CaptureServer&) = delete;

    // Of a worker, valid as long as this object.
    [[nodiscard]] CaptureOrder* order(std::uint32_t worker) { return orders_[worker].get(); }

    void turn(Clock::time_point now);

  private:
    CaptureServer() = default;
    void accept_reader(Clock::time_point now);
    void read_request(Clock::time_point now);
    void start(const shm::CaptureRequest& request, std::size_t bytes, Clock::time_point now);
    void read_progress(Clock::time_point now);
    void finish();
    void free_if_unused();

    std::string path_;
    Descriptor listener_;
    Descriptor reader_;
    Clock::time_point deadline_;  // of the request, then of the session
    std::vector<std::string> port_names_;
    std::vector<std::unique_ptr<CaptureOrder>> orders_;
    std::unique_ptr<CaptureSession> session_;
    bool is_ending_ = false;
};

}  // namespace fairlead::engine
