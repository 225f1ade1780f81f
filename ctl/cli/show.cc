// The words that only look: status, lists, single objects, versions.
#include <thread>

#include <fmt/format.h>

#include "ctl/cli/commands.h"
#include "ctl/cli/json_read.h"
#include "ctl/cli/pages.h"
#include "ctl/cli/version.h"

namespace fairlead::cli {
namespace {

using nlohmann::json;

constexpr int kPatientLooks = 10;
constexpr std::chrono::milliseconds kPause{50};

Outcome<json> fetch_backend(const Context& context, const Selection& selection) {
    return context.daemon.get(fmt::format("/api/v1/services/{}/backends/{}",
                                          percent_encode(selection.service),
                                          percent_encode(selection.backend)));
}

// What to fetch for `backend list [SERVICE | SERVICE/* | SERVICE/BACKEND]`. By way of the service
// itself, so that one that does not exist is an error and not an empty list.
Outcome<json> fetch_backends(const Context& context) {
    const std::string& target = context.command.target;
    if (target.empty()) {
        return context.daemon.get("/api/v1/backends");
    }
    Selection selection{target, "*"};
    if (target.find('/') != std::string::npos) {
        const auto parsed = parse_selection(target);
        if (!parsed) {
            return failure(ExitCode::kUsage, parsed.error().message);
        }
        selection = *parsed;
    }
    if (!selection.is_all()) {
        const auto backend = fetch_backend(context, selection);
        return backend ? Outcome<json>(json{{"backends", json::array({*backend})}}) : backend;
    }
    const auto service =
        context.daemon.get("/api/v1/services/" + percent_encode(selection.service));
    return service ? Outcome<json>(json{{"backends", array(*service, "backends")}}) : service;
}

// A worker that is a moment behind is no news; one that stays behind is.
Verdict judge_patiently(const Context& context, const json& status) {
    Verdict verdict = judge(status);
    for (int look = 0; look < kPatientLooks && verdict.may_pass; ++look) {
        std::this_thread::sleep_for(kPause);
        const auto next = context.daemon.get("/api/v1/status");
        if (!next) {
            break;
        }
        verdict = judge(*next);
    }
    return verdict;
}

// JSON as the daemon gave it, or the page made of it.
template <typename Page>
Outcome<ExitCode> show(const Context& context, const Outcome<json>& answer, Page page) {
    if (!answer) {
        return Unexpected<Failure>{answer.error()};
    }
    if (context.is_json()) {
        context.out << json_text(*answer, 2) << "\n";
    } else {
        context.out << page(*answer);
    }
    return ExitCode::kDone;
}

}  // namespace

Outcome<ExitCode> run_status(const Context& context) {
    const auto status = context.daemon.get("/api/v1/status");
    if (context.command.is_check) {
        if (!status) {
            const std::string& why = status.error().message;
            context.out << "UNKNOWN: " << why.substr(0, why.find('\n')) << "\n";
            return static_cast<ExitCode>(CheckResult::kUnknown);
        }
        const Verdict verdict = judge_patiently(context, *status);
        context.out << verdict.line << "\n";
        return static_cast<ExitCode>(verdict.result);
    }
    return show(context, status, [&](const json& page) {
        return status_page(page, context.out_look, Clock::now());
    });
}

Outcome<ExitCode> run_service_list(const Context& context) {
    return show(context, context.daemon.get("/api/v1/services"), [&](const json& page) {
        return service_table(array(page, "services"), context.out_look);
    });
}

Outcome<ExitCode> run_service_show(const Context& context) {
    return show(
        context,
        context.daemon.get("/api/v1/services/" + percent_encode(context.command.target)),
        [&](const json& page) { return service_page(page, context.out_look, Clock::now()); });
}

Outcome<ExitCode> run_backend_list(const Context& context) {
    return show(context, fetch_backends(context), [&](const json& page) {
        return backend_table(array(page, "backends"), context.out_look, Clock::now());
    });
}

Outcome<ExitCode> run_backend_show(const Context& context) {
    const auto selection = parse_selection(context.command.target);
    if (!selection) {
        return failure(ExitCode::kUsage, selection.error().message);
    }
    return show(context, fetch_backend(context, *selection), [&](const json& page) {
        return backend_page(page, context.out_look, Clock::now());
    });
}

Outcome<ExitCode> run_health_list(const Context& context) {
    return show(context, context.daemon.get("/api/v1/health"), [&](const json& page) {
        return health_table(array(page, "checks"), context.out_look, Clock::now());
    });
}

// Its own version is told even when no daemon is there to tell its.
Outcome<ExitCode> run_version(const Context& context) {
    const auto answer = context.daemon.get("/api/v1/version");
    const std::string lbd = answer ? text(*answer, "version") : "";
    const std::string engine = answer ? text(*answer, "engine_version") : "";
    if (context.is_json()) {
        json versions{{"lbctl", version()}, {"lbd", nullptr}, {"engine", nullptr}};
        if (!lbd.empty()) {
            versions["lbd"] = lbd;
        }
        if (!engine.empty()) {
            versions["engine"] = engine;
        }
        context.out << json_text(versions, 2) << "\n";
    } else {
        Facts facts;
        facts.add("lbctl", std::string(version()));
        facts.add("lbd", lbd.empty() ? "not reachable" : lbd);
        facts.add("engine", engine.empty() ? (lbd.empty() ? "not known" : "not running") : engine);
        context.out << facts.render(context.out_look);
    }
    if (!answer) {
        return Unexpected<Failure>{answer.error()};
    }
    return ExitCode::kDone;
}

}  // namespace fairlead::cli
