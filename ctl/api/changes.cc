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

void answer(const Call& call,
            const std::optional<milliseconds>& wait,
            std::uint64_t generation,
            Response response,
            const Respond& respond) {
    if (!wait) {
        respond(std::move(response));
        return;
    }
    call.daemon.waiters().wait(
        generation,
        *wait,
        [respond, response = std::move(response)](const std::string& problem) mutable {
            if (problem.empty()) {
                respond(std::move(response));
            } else {
                respond(error_response(RefusalCode::kTimeout, problem));
            }
        });
}

// Who asks, and whether `?force=1` says that he knows what is lost by it.
daemon::Author author_of(const Call& call, std::string reason) {
    const auto force = call.target.query.find("force");
    return {call.request.caller.name,
            std::move(reason),
            force != call.target.query.end() && force->second == "1"};
}

Json view_of(const Call& call, const std::string& name) {
    call.daemon.telemetry().refresh();
    const model::Service* service =
        model::find_service(call.daemon.model().services(), call.service);
    const model::Backend* backend =
        service == nullptr ? nullptr : model::find_backend(*service, name);
    return backend == nullptr ? Json(nullptr) : backend_view(call.daemon, *service, *backend);
}

}  // namespace

void add_backend(const Call& call, const Respond& respond) {
    const auto wait = wait_of(call);
    const auto body = read_addition(call.request.body);
    if (!wait || !body) {
        respond(error_response(wait ? body.error() : wait.error()));
        return;
    }
    const auto generation = call.daemon.add(
        {call.service, body->name}, body->address, body->weight, author_of(call, body->reason));
    if (!generation) {
        respond(error_response(generation.error()));
        return;
    }
    const Json document = {{"backend", view_of(call, body->name)}, {"generation", *generation}};
    answer(call, *wait, *generation, {201, to_body(document)}, respond);
}

void patch_backend(const Call& call, const Respond& respond) {
    const auto wait = wait_of(call);
    const auto body = read_patch(call.request.body);
    if (!wait || !body) {
        respond(error_response(wait ? body.error() : wait.error()));
        return;
    }
    const auto outcome =
        call.daemon.patch({call.service, call.backend}, body->patch, author_of(call, body->reason));
    if (!outcome) {
        respond(error_response(outcome.error()));
        return;
    }
    const Json document = {
        {"backend", view_of(call, call.backend)},
        {"before", {{"admin", to_text(outcome->admin_before)}, {"weight", outcome->weight_before}}},
        {"generation", outcome->generation},
        {"changed", outcome->is_changed}};
    answer(call, *wait, outcome->generation, {200, to_body(document)}, respond);
}

void delete_backend(const Call& call, const Respond& respond) {
    const auto wait = wait_of(call);
    const auto reason = read_reason(call.request.body);
    if (!wait || !reason) {
        respond(error_response(wait ? reason.error() : wait.error()));
        return;
    }
    Json view;
    const auto generation =
        call.daemon.remove({call.service, call.backend}, author_of(call, *reason), [&call, &view] {
            view = view_of(call, call.backend);
        });
    if (!generation) {
        respond(error_response(generation.error()));
        return;
    }
    const Json document = {{"backend", std::move(view)}, {"generation", *generation}};
    answer(call, *wait, *generation, {200, to_body(document)}, respond);
}

void post_reload(const Call& call, const Respond& respond) {
    const auto wait = wait_of(call);
    const auto reason = read_reason(call.request.body);
    if (!wait || !reason) {
        respond(error_response(wait ? reason.error() : wait.error()));
        return;
    }
    const auto outcome = call.daemon.reload(author_of(call, *reason));
    if (!outcome) {
        respond(error_response(outcome.error()));
        return;
    }
    const Json document = {{"generation", outcome->generation},
                           {"changed", outcome->is_changed},
                           {"summary", outcome->summary}};
    answer(call, *wait, outcome->generation, {200, to_body(document)}, respond);
}

}  // namespace fairlead::api
