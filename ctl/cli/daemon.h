// The daemon as lbctl sees it: JSON in, JSON or a Failure with its exit code out.
//
// Thread: one; calls block. ctl/README.md lists what may be asked.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "ctl/cli/exit_code.h"
#include "ctl/cli/http_exchange.h"

#include <nlohmann/json.hpp>

namespace fairlead::cli {

class Daemon {
  public:
    struct Where {
        std::string socket_path;
        std::string run_dir;      // for the sentence that says how to start it
        std::string config_path;  // the same
    };

    // How long an answer may take beyond the time that the request itself asks lbd to wait.
    static constexpr std::chrono::milliseconds kAnswerTimeout{10'000};

    explicit Daemon(Where where, std::chrono::milliseconds answer_timeout = kAnswerTimeout)
        : where_(std::move(where)), answer_timeout_(answer_timeout) {}

    [[nodiscard]] Outcome<nlohmann::json> get(const std::string& target) const;

    // `wait` is how long lbd itself was told, in the target, to wait for the workers.
    [[nodiscard]] Outcome<nlohmann::json> change(
        const HttpRequest& request,
        std::chrono::milliseconds wait = std::chrono::milliseconds{0}) const;

  private:
    Where where_;
    std::chrono::milliseconds answer_timeout_;
};

// What an answer means; apart from the socket so that tests need none.
[[nodiscard]] Outcome<nlohmann::json> read_answer(const HttpAnswer& answer,
                                                  const std::string& socket_path);

// What to say when there is no answer.
[[nodiscard]] Failure explain(const HttpFailure& problem,
                              const Daemon::Where& where,
                              bool is_change);

// One path segment, percent-encoded (RFC 3986 section 2.1).
[[nodiscard]] std::string percent_encode(std::string_view segment);

}  // namespace fairlead::cli
