// lbctl capture: packets as the engine sees them, to a pcapng file. Talks to lbdp, not to lbd.
#include <csignal>
#include <ctime>
#include <fstream>
#include <map>

#include <fmt/format.h>
#include <unistd.h>

#include "ctl/capture/filter.h"
#include "ctl/capture/pcapng.h"
#include "ctl/capture/reader.h"
#include "ctl/cli/commands.h"
#include "ctl/cli/units.h"
#include "ctl/cli/version.h"

namespace fairlead::cli {
namespace {

using capture::Reader;
using capture::Sighting;
using shm::CapturePoint;
using Steady = std::chrono::steady_clock;

// Between two looks at the engine's memory: what its rings can hold while they are filled fast.
constexpr std::chrono::milliseconds kLookEvery{5};

// Ctrl-C and SIGTERM, blocked and asked for: the file ends whole.
class EndSignals {
  public:
    EndSignals() {
        sigemptyset(&signals_);
        sigaddset(&signals_, SIGINT);
        sigaddset(&signals_, SIGTERM);
        (void)::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
        std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write()
    }
    [[nodiscard]] bool came() const {
        constexpr timespec kAtOnce{0, 0};
        return ::sigtimedwait(&signals_, nullptr, &kAtOnce) > 0;
    }

  private:
    sigset_t signals_{};
};

std::string_view text_of(CapturePoint point) {
    switch (point) {
        case CapturePoint::kReceive:
            return "rx";
        case CapturePoint::kTransmit:
            return "tx";
        case CapturePoint::kDrop:
            return "drop";
    }
    return "";
}

constexpr std::array kPoints{CapturePoint::kReceive, CapturePoint::kTransmit, CapturePoint::kDrop};

Failure explain(const capture::ReaderError& error, const Context& context) {
    switch (error.problem) {
        case capture::Problem::kNoEngine:
            return {ExitCode::kUnreachable,
                    fmt::format("lbdp is not running: {}.\nStart it: systemctl start "
                                "fairlead-engine\n      or: lbdp --config {} --run-dir {}",
                                error.message,
                                context.command.config_path.empty() ? kDefaultConfig
                                                                    : context.command.config_path,
                                context.command.run_dir)};
        case capture::Problem::kNotAllowed:
            return {ExitCode::kUnreachable, error.message};
        case capture::Problem::kRefused:
            return {ExitCode::kRefused, "lbdp refuses: " + error.message};
        case capture::Problem::kBroken:
            break;
    }
    return {ExitCode::kFailed, error.message};
}

// The packets of one capture on their way into the file.
class Recording {
  public:
    Recording(const Reader& reader, const CaptureWords& words, std::ostream& out)
        : reader_(reader),
          words_(words),
          out_(out),
          writer_(out, fmt::format("lbctl {}", version())) {
        for (std::uint32_t port = 0; port < reader.port_count(); ++port) {
            for (const CapturePoint point : kPoints) {
                if ((words.points & shm::bit_of(point)) != 0) {
                    interfaces_[{port, point}].number = writer_.add_interface(
                        fmt::format("{}:{}", reader.port_name(port), text_of(point)),
                        words.snap_bytes,
                        words.filter);
                }
            }
        }
        out_.flush();
    }

    // False when there are as many as were wanted, or the file takes no more.
    bool see(const Sighting& sighting) {
        const auto interface = interfaces_.find({sighting.port, sighting.point});
        if (interface == interfaces_.end()) {
            return true;
        }
        std::string comment;
        if (sighting.point == CapturePoint::kDrop) {
            const DropReasonText& text = fairlead::text_of(sighting.reason);
            comment = fmt::format("{}: {}", text.metric, text.sentence);
        }
        writer_.write({.interface = interface->second.number,
                       .epoch_ns = sighting.epoch_ns,
                       .length = sighting.length,
                       .bytes = sighting.bytes,
                       .direction = sighting.point == CapturePoint::kTransmit
                                        ? capture::Direction::kOutbound
                                        : capture::Direction::kInbound,
                       .queue = sighting.worker,
                       .comment = comment});
        ++interface->second.packets;
        ++packets_;
        return is_wanting();
    }

    [[nodiscard]] bool is_wanting() const {
        return packets_ < words_.count && static_cast<bool>(out_);
    }
    [[nodiscard]] std::uint64_t packets() const { return packets_; }

    // Writes the statistics; how many packets were lost.
    std::uint64_t finish() {
        std::uint64_t all = 0;
        const std::uint64_t end_ns = now_ns();
        for (const auto& [place, interface] : interfaces_) {
            const std::uint64_t lost = reader_.lost(place.first, place.second);
            writer_.write(capture::InterfaceStatistics{.interface = interface.number,
                                                       .start_ns = start_ns_,
                                                       .end_ns = end_ns,
                                                       .received = interface.packets + lost,
                                                       .dropped = lost});
            all += lost;
        }
        out_.flush();
        return all;
    }

  private:
    struct Interface {
        std::uint32_t number = 0;
        std::uint64_t packets = 0;
    };
    static std::uint64_t now_ns() {
        return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                              std::chrono::system_clock::now().time_since_epoch())
                                              .count());
    }

    const Reader& reader_;
    const CaptureWords& words_;
    std::ostream& out_;
    capture::PcapngWriter writer_;
    std::map<std::pair<std::uint32_t, CapturePoint>, Interface> interfaces_;
    std::uint64_t start_ns_ = now_ns();
    std::uint64_t packets_ = 0;
};

Result<shm::CaptureRequest> request_of(const CaptureWords& words) {
    const auto filter = capture::compile_filter(words.filter);
    if (!filter) {
        return Unexpected{filter.error()};
    }
    shm::CaptureRequest request;
    request.fingerprint = shm::kCaptureFingerprint;
    request.points = words.points;
    request.snap_bytes = words.snap_bytes;
    request.seconds = words.seconds;
    request.instructions = static_cast<std::uint32_t>(filter->size());
    std::copy(filter->begin(), filter->end(), request.filter.begin());
    return request;
}

Outcome<ExitCode> record(const Context& context,
                         Reader& reader,
                         const EndSignals& signals,
                         std::ostream& out) {
    const Steady::time_point start = Steady::now();
    const Steady::time_point deadline =
        start + std::chrono::seconds(context.command.capture.seconds);
    Recording recording(reader, context.command.capture, out);
    const auto see = [&recording](const Sighting& sighting) {
        return recording.see(sighting);
    };
    context.err << "capturing; Ctrl-C ends it\n" << std::flush;
    bool goes_on = true;
    while (goes_on) {
        // What was copied before the end is taken after it.
        goes_on = reader.wait(kLookEvery) && !signals.came() && Steady::now() < deadline;
        if (const Status taken = reader.take(see); !taken) {
            return failure(ExitCode::kFailed, taken.error().message);
        }
        out.flush();
        goes_on = goes_on && recording.is_wanting();
    }
    const std::uint64_t lost = recording.finish();
    context.err << fmt::format(
        "{} captured, {} lost to the capture, in {}\n",
        counted(recording.packets(), "packet"),
        lost,
        duration(std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - start)));
    if (!out) {
        return failure(ExitCode::kFailed, "the file could not be written");
    }
    return ExitCode::kDone;
}

}  // namespace

Outcome<ExitCode> run_capture(const Context& context) {
    const CaptureWords& words = context.command.capture;
    const bool is_standard_output = words.file == "-" || words.file.empty();
    if (is_standard_output && ::isatty(STDOUT_FILENO) == 1) {
        return failure(ExitCode::kUsage,
                       "packets are no text: -w FILE, or pipe them: lbctl capture | tshark -r -");
    }
    const auto request = request_of(words);
    if (!request) {
        return failure(ExitCode::kUsage, request.error().message);
    }
    std::ofstream file;
    if (!is_standard_output) {
        file.open(words.file, std::ios::binary | std::ios::trunc);
        if (!file) {
            return failure(ExitCode::kFailed, "cannot write to " + words.file);
        }
    }
    const EndSignals signals;
    auto reader = Reader::start(context.command.run_dir, *request);
    if (!reader) {
        return Unexpected<Failure>{explain(reader.error(), context)};
    }
    return record(context, *reader, signals, is_standard_output ? context.out : file);
}

}  // namespace fairlead::cli
