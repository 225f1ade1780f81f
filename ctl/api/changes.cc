// The requests that change something: done, and answered at once or when every worker follows.
#include <chrono>
#include <optional>
#include <utility>

#include "conf/schema/scalars.h"
#include "ctl/api/body.h"
#include "ctl/api/endpoints.h"
#include "ctl/api/error_response.h"
#include "ctl/api/views.h"

#include <nlohmann/json.hpp>

namespace fairlead::api {
namespace {

using model::Refusal;
using model::RefusalCode;
using std::chrono::milliseconds;

constexpr unsigned kAccepted = 202;
constexpr milliseconds kLongestWait = std::chrono::minutes(10);

// `?wait=5s`: how long, or nothing where the caller does not wait.
Result<std::optional<milliseconds>, Refusal> wait_of(const Call& call) {
    const auto wait = call.target.query.find("wait");
    if (wait == call.target.query.end()) {
        return std::optional<milliseconds>();
    }
    const auto parsed = conf::parse_duration(wait->second);
    if (!parsed || *parsed > kLongestWait) {
        return model::refuse(RefusalCode::kBadRequest,
                             "wait must be a duration such as 500ms or 5s, of at most 10m");
    }
    return std::optional<milliseconds>(*parsed);
}

// What of a request is needed when its change is made, which may be later.
struct Asked {
    daemon::Daemon& daemon;
    std::string service;
    std::string backend;
    std::optional<milliseconds> wait;
    Respond respond;

    void refuse(const Refusal& refusal) const { respond(error_response(refusal)); }

    // At once, or when every worker follows.
    // The change stands in any case: 202, and `waiting`, say that not all follow it yet.
    void answer(std::uint64_t generation, unsigned status, Json document) const {
        if (!wait) {
            respond({status, to_body(document)});
            return;
        }
        daemon.waiters().wait(
            generation,
            *wait,
            [respond = respond, status, document = std::move(document)](const std::string& why) {
                if (why.empty()) {
                    respond({status, to_body(document)});
                    return;
                }
                Json told = document;
                told["waiting"] = why;
                respond({kAccepted, to_body(told)});
            });
    }

    [[nodiscard]] Json backend_view() const {
        daemon.telemetry().refresh();
        const model::Service* const found = model::find_service(daemon.model().services(), service);
        const model::Backend* const is =
            found == nullptr ? nullptr : model::find_backend(*found, backend);
        return is == nullptr ? Json(nullptr) : api::backend_view(daemon, *found, *is);
    }
};

// Who asks, and whether `?force=1` says that he knows what is lost by it.
daemon::Author author_of(const Call& call, std::string reason) {
    const auto force = call.target.query.find("force");
    return {call.request.caller.name,
            std::move(reason),
            force != call.target.query.end() && force->second == "1"};
}

}  // namespace

void add_backend(const Call& call, const Respond& respond) {
    const auto wait = wait_of(call);
    const auto body = read_addition(call.request.body);
    if (!wait || !body) {
        respond(error_response(wait ? body.error() : wait.error()));
        return;
    }
    call.daemon.add(
        {call.service, body->name},
        body->address,
        body->weight,
        author_of(call, body->reason),
        [asked = Asked{call.daemon, call.service, body->name, *wait, respond}](const auto& made) {
            if (!made) {
                asked.refuse(made.error());
                return;
            }
            asked.answer(made->generation,
                         201,
                         {{"backend", asked.backend_view()}, {"generation", made->generation}});
        });
}

void patch_backend(const Call& call, const Respond& respond) {
    const auto wait = wait_of(call);
    const auto body = read_patch(call.request.body);
    if (!wait || !body) {
        respond(error_response(wait ? body.error() : wait.error()));
        return;
    }
    call.daemon.patch(
        {call.service, call.backend},
        body->patch,
        author_of(call, body->reason),
        [asked = Asked{call.daemon, call.service, call.backend, *wait, respond}](const auto& made) {
            if (!made) {
                asked.refuse(made.error());
                return;
            }
            asked.answer(
                made->generation,
                200,
                {{"backend", asked.backend_view()},
                 {"before",
                  {{"admin", to_text(made->admin_before)}, {"weight", made->weight_before}}},
                 {"generation", made->generation},
                 {"changed", made->is_changed}});
        });
}

void delete_backend(const Call& call, const Respond& respond) {
    const auto wait = wait_of(call);
    const auto reason = read_reason(call.request.body);
    if (!wait || !reason) {
        respond(error_response(wait ? reason.error() : wait.error()));
        return;
    }
    call.daemon.remove(
        {call.service, call.backend},
        author_of(call, *reason),
        [asked = Asked{call.daemon, call.service, call.backend, *wait, respond}](const auto& made) {
            if (!made) {
                asked.refuse(made.error());
                return;
            }
            asked.answer(made->generation,
                         200,
                         {{"backend", asked.backend_view()}, {"generation", made->generation}});
        });
}

void post_reload(const Call& call, const Respond& respond) {
    const auto wait = wait_of(call);
    const auto reason = read_reason(call.request.body);
    if (!wait || !reason) {
        respond(error_response(wait ? reason.error() : wait.error()));
        return;
    }
    call.daemon.reload(author_of(call, *reason),
                       [asked = Asked{call.daemon, "", "", *wait, respond}](const auto& outcome) {
                           if (!outcome) {
                               asked.refuse(outcome.error());
                               return;
                           }
                           asked.answer(outcome->generation,
                                        200,
                                        {{"generation", outcome->generation},
                                         {"changed", outcome->is_changed},
                                         {"summary", outcome->summary}});
                       });
}

}  // namespace fairlead::api
