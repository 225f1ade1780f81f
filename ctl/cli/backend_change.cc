// add, remove, drain, ready, maint, weight: what is sent, what is said of it, and how to undo it.
#include <fmt/format.h>

#include "ctl/cli/commands.h"
#include "ctl/cli/json_read.h"
#include "ctl/cli/units.h"
#include "ctl/cli/waiting.h"

namespace fairlead::cli {
namespace {

using nlohmann::json;
using Milliseconds = std::chrono::milliseconds;

struct Done {
    json answer;
    double took_ms = 0;
};

std::string path_of(const Selection& backend) {
    return fmt::format("/api/v1/services/{}/backends/{}",
                       percent_encode(backend.service),
                       percent_encode(backend.backend));
}

HttpRequest request_for(const Command& command, const Selection& backend) {
    HttpRequest request{
        .method = "PATCH", .target = path_of(backend) + command.query(), .body = {}};
    json body = json::object();
    if (command.word == Word::kBackendRemove) {
        request.method = "DELETE";
    } else if (command.word == Word::kBackendDrain) {
        body["admin"] = "drain";
    } else if (command.word == Word::kBackendReady) {
        body["admin"] = "ready";
    } else if (command.word == Word::kBackendMaint) {
        body["admin"] = "maint";
    } else {
        body["weight"] = command.weight.value_or(0);
    }
    if (!command.reason.empty()) {
        body["reason"] = command.reason;
    }
    if (!body.empty()) {
        request.body = json_text(body, -1);
    }
    return request;
}

// What was changed, in words: "ready -> drain".
std::string change_of(const Command& command, const json& answer) {
    const json& before = object(answer, "before");
    const json& after = object(answer, "backend");
    if (command.word == Word::kBackendRemove) {
        return "drained, and forgotten when its last flow is gone";
    }
    if (command.word == Word::kBackendWeight) {
        return fmt::format("weight {} -> {}", number(before, "weight"), number(after, "weight"));
    }
    return fmt::format("{} -> {}", text(before, "admin"), text(after, "admin"));
}

std::string undo_of(const Context& context, const Selection& backend, const json& answer) {
    const json& before = object(answer, "before");
    const json& after = object(answer, "backend");
    std::string words;
    if (context.command.word == Word::kBackendAdd) {
        words = "remove " + name_of(backend);
    } else if (context.command.word == Word::kBackendRemove) {
        words = fmt::format("add {} --address {} --weight {}",
                            name_of(backend),
                            text(after, "address"),
                            number(after, "weight"));
    } else if (context.command.word == Word::kBackendWeight) {
        words = fmt::format("weight {} {}", name_of(backend), number(before, "weight"));
    } else {
        words = fmt::format("{} {}", text(before, "admin"), name_of(backend));
    }
    return fmt::format("Undo: {} backend {}", context.self(), words);
}

// "generation 42 acknowledged by 2 workers in 0.4 ms", or what can be said without waiting.
std::string applied(const Context& context, const Done& done) {
    const std::uint64_t generation = number(done.answer, "generation");
    if (!context.command.waits) {
        return fmt::format("published as generation {}", generation);
    }
    const auto status = context.daemon.get("/api/v1/status");
    if (status && !flag(object(*status, "engine"), "up")) {
        return fmt::format(
            "published as generation {}; the engine is not running, it will start so", generation);
    }
    return fmt::format("generation {} acknowledged by {} in {}",
                       generation,
                       status
                           ? counted(array(object(*status, "engine"), "workers").size(), "worker")
                           : "every worker",
                       in_milliseconds(done.took_ms));
}

Outcome<Done> send(const Context& context, const HttpRequest& request) {
    const auto started = std::chrono::steady_clock::now();
    auto answer = context.daemon.change(
        request, context.command.waits ? context.command.for_workers() : Milliseconds{0});
    if (!answer) {
        return Unexpected<Failure>{answer.error()};
    }
    const std::chrono::duration<double, std::milli> took =
        std::chrono::steady_clock::now() - started;
    return Done{std::move(*answer), took.count()};
}

void tell(const Context& context, const Selection& backend, const Done& done) {
    const json& answer = done.answer;
    const bool is_add = context.command.word == Word::kBackendAdd;
    if (field(answer, "changed").is_boolean() && !flag(answer, "changed")) {
        const json& after = object(answer, "backend");
        context.err << fmt::format("{}: is {} with weight {} already; nothing changed.\n",
                                   name_of(backend),
                                   text(after, "admin"),
                                   number(after, "weight"));
        return;
    }
    const json& after = object(answer, "backend");
    context.err << fmt::format(
        "{}: {}, {}. {}\n",
        name_of(backend),
        is_add ? fmt::format(
                     "added at {} with weight {}", text(after, "address"), number(after, "weight"))
               : change_of(context.command, answer),
        applied(context, done),
        undo_of(context, backend, answer));
    if (const std::string admin = text(after, "admin"); is_add && admin != "ready") {
        context.err << fmt::format(
            "{}: it is in {}, as it was when it was removed. To have it serve: "
            "{} backend ready {}\n",
            name_of(backend),
            admin,
            context.self(),
            name_of(backend));
    }
}

// The backends that the target names, in the order of the file. Those that are being removed are
// no longer there to be changed.
Outcome<std::vector<Selection>> resolve(const Context& context, const Selection& selection) {
    if (!selection.is_all()) {
        return std::vector<Selection>{selection};
    }
    const auto service =
        context.daemon.get("/api/v1/services/" + percent_encode(selection.service));
    if (!service) {
        return Unexpected<Failure>{service.error()};
    }
    std::vector<Selection> backends;
    std::size_t serving = 0;
    for (const json& backend : array(*service, "backends")) {
        if (flag(backend, "removing") && context.command.word != Word::kBackendRemove) {
            continue;
        }
        backends.push_back({selection.service, text(backend, "name")});
        serving += text(backend, "effective") == "serving" ? 1U : 0U;
    }
    // The daemon would refuse the last of them; then the others were drained for nothing.
    const Word word = context.command.word;
    const bool takes_away = word == Word::kBackendDrain || word == Word::kBackendMaint ||
                            word == Word::kBackendRemove ||
                            (word == Word::kBackendWeight && context.command.weight == 0U);
    if (takes_away && serving > 0 && !context.command.is_forced) {
        return failure(ExitCode::kRefused,
                       fmt::format("{}/* is every backend of {}: none would be left to serve. "
                                   "Name those to take away, or use --force.",
                                   selection.service,
                                   selection.service));
    }
    return backends;
}

}  // namespace

Outcome<ExitCode> run_backend_add(const Context& context) {
    const Command& command = context.command;
    const auto backend = parse_selection(command.target);
    if (!backend || backend->is_all()) {
        return failure(
            ExitCode::kUsage,
            backend ? "give the new backend a name: SERVICE/BACKEND" : backend.error().message);
    }
    json body{{"name", backend->backend}, {"address", command.address}};
    if (command.weight) {
        body["weight"] = *command.weight;
    }
    const auto done = send(
        context,
        {.method = "POST",
         .target = fmt::format(
             "/api/v1/services/{}/backends{}", percent_encode(backend->service), command.query()),
         .body = json_text(body, -1)});
    if (!done) {
        return Unexpected<Failure>{done.error()};
    }
    if (context.is_json()) {
        context.out << json_text({{"changes", json::array({done->answer})}}, 2) << "\n";
    }
    tell(context, *backend, *done);
    if (command.waits && !command.until_published) {
        return wait_for_serving(context,
                                {{*backend, text(object(done->answer, "backend"), "address")}});
    }
    return ExitCode::kDone;
}

Outcome<ExitCode> run_backend_change(const Context& context) {
    const Command& command = context.command;
    const auto selection = parse_selection(command.target);
    if (!selection) {
        return failure(ExitCode::kUsage, selection.error().message);
    }
    const auto backends = resolve(context, *selection);
    if (!backends) {
        return Unexpected<Failure>{backends.error()};
    }
    json changes = json::array();
    std::vector<Changed> changed;
    std::optional<Failure> failed;
    for (const Selection& backend : *backends) {
        auto done = send(context, request_for(command, backend));
        if (!done) {
            failed = done.error();
            failed->message = name_of(backend) + ": " + failed->message;
            break;
        }
        tell(context, backend, *done);
        changed.push_back({backend, text(object(done->answer, "backend"), "address")});
        changes.push_back(std::move(done->answer));
    }
    if (context.is_json()) {
        context.out << json_text({{"changes", changes}}, 2) << "\n";
    }
    if (failed) {
        return Unexpected<Failure>{*failed};
    }
    const bool ends_flows =
        command.word == Word::kBackendDrain || command.word == Word::kBackendRemove;
    if (command.waits && ends_flows) {
        return wait_for_flows(context, changed);
    }
    if (command.waits && command.word == Word::kBackendReady && !command.until_published) {
        return wait_for_serving(context, changed);
    }
    return ExitCode::kDone;
}

}  // namespace fairlead::cli
