// The reader's end of a capture (dp/shm/capture.h): asks the engine, and takes what the workers
// copy.
//
// Ownership: a Reader owns the connection and its mapping; the capture ends with it. Thread: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "dp/base/descriptor.h"
#include "dp/base/result.h"
#include "dp/shm/capture.h"

namespace fairlead::capture {

enum class Problem : std::uint8_t {
    kNoEngine,    // there is no socket, or nobody listens on it
    kNotAllowed,  // to connect
    kRefused,     // by the engine, with its reason
    kBroken,      // anything else
};
struct ReaderError {
    Problem problem = Problem::kBroken;
    std::string message;
};

struct Sighting {
    shm::CapturePoint point{};
    std::uint8_t port = 0;
    std::uint32_t worker = 0;
    std::uint64_t epoch_ns = 0;
    std::uint32_t length = 0;
    std::span<const std::uint8_t> bytes;  // valid during the call
    DropReason reason = DropReason::kNone;
};

class Reader {
  public:
    [[nodiscard]] static Result<Reader, ReaderError> start(const std::string& run_dir,
                                                           const shm::CaptureRequest& request);
    ~Reader();
    Reader(Reader&& other) noexcept;
    Reader& operator=(Reader&& other) noexcept;
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    // Takes all that is there, in order of time, until `see` says false, and gives the room back.
    // Error: what stands in the memory is no record.
    [[nodiscard]] Status take(const std::function<bool(const Sighting&)>& see);
    // Waits up to `longest`, less if the engine ends the capture; false if it has.
    [[nodiscard]] bool wait(std::chrono::milliseconds longest) const;

    [[nodiscard]] std::uint32_t port_count() const;
    [[nodiscard]] std::string port_name(std::size_t port) const;
    // What found no room, of all workers.
    [[nodiscard]] std::uint64_t lost(std::size_t port, shm::CapturePoint point) const;

  private:
    struct Found {
        const shm::CaptureRecord* record = nullptr;
        std::uint32_t worker = 0;
    };
    Reader() = default;
    [[nodiscard]] Status map(int descriptor);
    [[nodiscard]] const shm::CaptureHeader& header() const;
    [[nodiscard]] const shm::CaptureLane& lane(std::uint32_t worker) const;
    [[nodiscard]] Status collect(std::uint32_t worker, std::vector<Found>& found);
    // Gives the room up to positions_ back.
    void tell_progress();
    [[nodiscard]] std::uint64_t epoch_ns_of(std::uint64_t tsc) const;

    Descriptor socket_;
    std::span<std::byte> memory_;           // its pages are read-only
    std::vector<std::uint64_t> positions_;  // read so far, by lane
    bool is_untold_ = false;                // the engine does not know them yet
};

}  // namespace fairlead::capture
