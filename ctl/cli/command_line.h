// The words of lbctl: arguments in, one Command out. CLI11 ends here.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "ctl/cli/exit_code.h"
#include "ctl/cli/terminal.h"
#include "dp/shm/capture.h"

namespace fairlead::cli {

inline constexpr const char* kDefaultRunDir = "/run/fairlead";
inline constexpr const char* kDefaultConfig = "/etc/fairlead/fairlead.toml";

enum class Word : std::uint8_t {
    kStatus,
    kServiceList,
    kServiceShow,
    kBackendList,
    kBackendShow,
    kBackendAdd,
    kBackendRemove,
    kBackendDrain,
    kBackendReady,
    kBackendMaint,
    kBackendWeight,
    kHealthList,
    kDrops,
    kTrace,
    kCapture,
    kNodeStatus,
    kNodeDrain,
    kNodeReady,
    kConfigCheck,
    kReload,
    kVersion,
};

enum class Format : std::uint8_t {
    kTable,
    kJson
};

// The packet of `trace`, as it was written.
struct TraceWords {
    std::string protocol;
    std::string source;
    std::string destination;
    std::string flags;
};

struct CaptureWords {
    std::string filter;        // a tcpdump expression; empty: all
    std::uint32_t points = 0;  // shm::bit_of(), or-ed
    std::uint64_t count = 1'000;
    std::uint32_t seconds = 60;
    std::uint32_t snap_bytes = shm::kMaxSnapBytes;
    std::string file;  // "-" or empty: stdout
};

struct Command {
    Word word = Word::kStatus;
    // Every command:
    std::string run_dir = kDefaultRunDir;
    std::string config_path;  // empty: not given
    Format format = Format::kTable;
    ColorChoice color = ColorChoice::kAuto;
    // Some commands:
    std::string target;  // SERVICE, SERVICE/BACKEND, SERVICE/* or FILE; empty: all
    bool is_check = false;
    bool waits = false;
    bool until_published = false;                      // add, ready: waits for the workers alone
    std::optional<std::chrono::milliseconds> timeout;  // not given: for_workers() or for_flows()
    std::string reason;
    bool is_forced = false;
    std::string address;
    std::optional<std::uint32_t> weight;
    bool shows_all = false;
    bool watches = false;
    TraceWords trace;
    CaptureWords capture;

    // How long to wait until every worker follows. lbd itself waits, for this long at most.
    [[nodiscard]] std::chrono::milliseconds for_workers() const;
    // Of a change: "?wait=30000ms&force=1", or "".
    [[nodiscard]] std::string query() const;
    // How long to wait until flows have ended. The engine remembers a closed connection for half a
    // minute, in case its last segment is sent again.
    [[nodiscard]] std::chrono::milliseconds for_flows() const;
};

// The run is over before it began: help, the version, or a mistake.
struct Finished {
    ExitCode code = ExitCode::kDone;
    std::string data;        // for stdout
    std::string commentary;  // for stderr
};

[[nodiscard]] std::variant<Command, Finished> parse_command_line(int argc, const char* const* argv);

// SERVICE/BACKEND or SERVICE/*; an error says what is expected.
struct Selection {
    std::string service;
    std::string backend;  // "*": every backend of the service

    [[nodiscard]] bool is_all() const { return backend == "*"; }
};
[[nodiscard]] Result<Selection> parse_selection(const std::string& text);

}  // namespace fairlead::cli
