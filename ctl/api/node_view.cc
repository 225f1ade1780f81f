// This balancer as a whole: whether clients should come to it, and what operators want of it.
#include "ctl/api/body.h"
#include "ctl/api/endpoints.h"
#include "ctl/api/error_response.h"
#include "ctl/api/views.h"

#include <nlohmann/json.hpp>

namespace fairlead::api {
namespace {

using model::RefusalCode;

Json node_view(daemon::Daemon& daemon) {
    const std::vector<std::string> reasons = daemon.why_unfit();
    const std::optional<model::AdminOverride>& node = daemon.model().node();
    return {{"name", daemon.model().config().node.name},
            {"admin", to_text(node ? node->value : model::Admin::kReady)},
            {"changed_by", node ? Json(node->made.by) : Json(nullptr)},
            {"changed_at", node ? Json(node->made.at) : Json(nullptr)},
            {"reason", node ? Json(node->made.reason) : Json(nullptr)},
            {"fit", reasons.empty()},
            {"unfit", reasons}};
}

}  // namespace

void get_node(const Call& call, const Respond& respond) {
    respond({200, to_body(node_view(call.daemon))});
}

void patch_node(const Call& call, const Respond& respond) {
    const auto body = read_patch(call.request.body);
    if (!body) {
        respond(error_response(body.error()));
        return;
    }
    const std::optional<model::Admin> admin = body->patch.admin;
    if (!admin || *admin == model::Admin::kMaint || body->patch.weight) {
        respond(error_response(RefusalCode::kBadRequest,
                               "of a node \"admin\" can be changed, to \"ready\" or \"drain\""));
        return;
    }
    call.daemon.set_node(
        *admin,
        {call.request.caller.name, body->reason},
        [&daemon = call.daemon, respond](const Result<daemon::Made, model::Refusal>& made) {
            if (!made) {
                respond(error_response(made.error()));
                return;
            }
            const Json document = {{"node", node_view(daemon)}, {"changed", made->is_changed}};
            respond({200, to_body(document)});
        });
}

}  // namespace fairlead::api
