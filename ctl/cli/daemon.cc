#include "ctl/cli/daemon.h"

#include <fmt/format.h>

#include "conf/schema/parse.h"
#include "ctl/cli/json_read.h"

namespace fairlead::cli {
namespace {

using nlohmann::json;

ExitCode exit_code_for(unsigned status) {
    switch (status) {
        case 404:
            return ExitCode::kNotFound;
        case 409:
            return ExitCode::kRefused;
        default:
            return ExitCode::kFailed;
    }
}

// The errors of a configuration, as `config check` would print them.
std::string describe_config_errors(const json& errors) {
    conf::ConfigErrors list;
    for (const json& error : errors) {
        list.push_back({.file = text(error, "file"),
                        .line = static_cast<std::uint32_t>(number(error, "line")),
                        .column = static_cast<std::uint32_t>(number(error, "column")),
                        .message = text(error, "message"),
                        .source_line = text(error, "source_line")});
    }
    std::string described = conf::describe(list);
    while (!described.empty() && described.back() == '\n') {
        described.pop_back();
    }
    return described;
}

std::string not_ours(const std::string& socket_path, std::string_view what) {
    return fmt::format(
        "{} answers with {}: is that the socket of lbd, and of this version?", socket_path, what);
}

}  // namespace

Outcome<json> read_answer(const HttpAnswer& answer, const std::string& socket_path) {
    json body = json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
    if (!body.is_object()) {
        return failure(ExitCode::kFailed,
                       not_ours(socket_path,
                                fmt::format("something that is no JSON object (status {}, {})",
                                            answer.status,
                                            answer.content_type.empty() ? "no content type"
                                                                        : answer.content_type)));
    }
    if (const std::string waiting = text(body, "waiting"); answer.status == 202) {
        return failure(ExitCode::kTimedOut, waiting);
    }
    if (answer.status >= 200 && answer.status < 300) {
        return body;
    }
    const json& error = object(body, "error");
    std::string message = text(error, "message");
    if (message.empty()) {
        message = not_ours(socket_path, fmt::format("status {} and no reason", answer.status));
    }
    for (const json* holder : {&error, static_cast<const json*>(&body)}) {
        if (!array(*holder, "errors").empty()) {
            message.append("\n").append(describe_config_errors(array(*holder, "errors")));
            break;
        }
    }
    return failure(exit_code_for(answer.status), message);
}

Failure explain(const HttpFailure& problem, const Daemon::Where& where, bool is_change) {
    const std::string& socket = where.socket_path;
    const std::string how_to_start = fmt::format(
        "Start it: systemctl start fairlead\n"
        "      or: lbd --config {} --run-dir {}",
        where.config_path,
        where.run_dir);
    const std::string_view unknown =
        is_change ? "\nWhether the change was made is not known: lbctl backend list shows it." : "";
    switch (problem.problem) {
        case HttpProblem::kNoSocket:
            return {ExitCode::kUnreachable,
                    fmt::format(
                        "lbd is not running: there is no socket {}.\n{}", socket, how_to_start)};
        case HttpProblem::kNobodyListens:
            return {
                ExitCode::kUnreachable,
                fmt::format("lbd is not running: nobody listens on {}.\n{}", socket, how_to_start)};
        case HttpProblem::kPermissionDenied:
            return {
                ExitCode::kUnreachable,
                fmt::format("lbd is not reachable: permission denied for {}. Run lbctl as root, "
                            "or as a member of group fairlead.",
                            socket)};
        case HttpProblem::kNoConnection:
            return {ExitCode::kUnreachable,
                    fmt::format(
                        "lbd is not reachable: {}: {}.\n{}", socket, problem.detail, how_to_start)};
        case HttpProblem::kTimedOut:
            return {ExitCode::kUnreachable,
                    fmt::format("lbd does not answer: {} took the connection and stayed silent. "
                                "See what it does: journalctl -u fairlead{}",
                                socket,
                                unknown)};
        case HttpProblem::kCutOff:
            return {
                ExitCode::kUnreachable,
                fmt::format(
                    "lbd went away before its answer was whole ({}).{}", problem.detail, unknown)};
        case HttpProblem::kNotHttp:
            return {
                ExitCode::kFailed,
                not_ours(socket, fmt::format("something that is no HTTP ({})", problem.detail))};
    }
    return {ExitCode::kFailed, problem.detail};
}

Outcome<json> Daemon::get(const std::string& target) const {
    const auto answer = exchange(
        where_.socket_path, {.method = "GET", .target = target, .body = {}}, answer_timeout_);
    if (!answer) {
        return Unexpected<Failure>{explain(answer.error(), where_, /*is_change=*/false)};
    }
    return read_answer(*answer, where_.socket_path);
}

Outcome<json> Daemon::change(const HttpRequest& request, std::chrono::milliseconds wait) const {
    const auto answer = exchange(where_.socket_path, request, answer_timeout_ + wait);
    if (!answer) {
        return Unexpected<Failure>{explain(answer.error(), where_, /*is_change=*/true)};
    }
    return read_answer(*answer, where_.socket_path);
}

std::string percent_encode(std::string_view segment) {
    std::string encoded;
    for (const char c : segment) {
        const bool is_unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                   (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
                                   c == '~';
        if (is_unreserved) {
            encoded += c;
        } else {
            encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return encoded;
}

}  // namespace fairlead::cli
